/** A store whose answers come late, and whose writes fail now and then, before or after they were made. */
import type { Decision, Storage } from '../../../../daemon/storage/storage.ts'
import { MooringError } from '../../../../protocol/errors.ts'

interface LateInit {
  /** A random whole number from 0 up to `end`. */
  below(end: number): number
  readonly canFail: boolean
  /** Called when a decision is handed in, before the wait. */
  onDecide(decision: Decision): void
}

export function lateStorage(storage: Storage, { below, canFail, onDecide }: LateInit): Storage {
  const call = async (isWrite: boolean, run: () => Promise<unknown>): Promise<unknown> => {
    await ticks(below(5))
    if (isWrite && canFail && below(10) === 0) throw new MooringError('storage-full')
    const result = await run()
    await ticks(below(5))
    if (isWrite && canFail && below(10) === 0) throw new MooringError('connection-lost')
    return result
  }
  return new Proxy(storage, {
    get: (target, key) => {
      const method: unknown = Reflect.get(target, key)
      if (typeof method !== 'function') return method
      return (...args: unknown[]) => {
        if (key === 'decide') onDecide(args[0] as Decision)
        return call(key === 'decide' || key === 'putRequest', () => method.apply(target, args))
      }
    },
  })
}

async function ticks(count: number): Promise<void> {
  for (let tick = 0; tick < count; tick++) await null
}

/** Mulberry32: numbers from 0 up to 1, the same for the same seed. */
export function mulberry(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
