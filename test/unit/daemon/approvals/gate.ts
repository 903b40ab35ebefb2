import type { Storage } from '../../../../daemon/storage/storage.ts'
import type { MooringError } from '../../../../protocol/errors.ts'

/** A store whose writes wait for the test, or fail. */
export const gated = () => {
  const held: (() => void)[] = []
  const state = { hold: false, fail: undefined as MooringError | undefined, urgent: 0 }
  const wrap = (storage: Storage): Storage =>
    new Proxy(storage, {
      get(target, key) {
        const method: unknown = Reflect.get(target, key)
        if (typeof method !== 'function') return method
        return async (...args: unknown[]) => {
          if (key !== 'decide' && key !== 'putRequest') return method.apply(target, args)
          if (state.hold) await new Promise<void>((resolve) => held.push(resolve))
          if (state.fail !== undefined) throw state.fail
          if (JSON.stringify(args[1]) === '{"urgent":true}') state.urgent += 1
          return method.apply(target, args)
        }
      },
    })
  const release = (): void => {
    state.hold = false
    for (const go of held.splice(0)) go()
  }
  return { state, wrap, release }
}

/** Lets everything run that does not wait for the store. */
export const writing = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
