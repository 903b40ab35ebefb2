/** The real clocks of both sides. */
import { describe, expect, it } from 'vitest'
import { systemClock as daemonClock } from '../../../daemon/system-clock.ts'
import { systemClock as pluginClock } from '../../../plugin-sdk/clock.ts'

describe.each([
  ['daemon', daemonClock],
  ['plugin', pluginClock],
])('the clock of a %s', (_, clock) => {
  it('runs what has no time to wait for in the same turn of the event loop', async () => {
    const order: string[] = []
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        // Both from one callback: what is set now runs in the next turn, in this order.
        clock.after(0, () => order.push('clock'))
        setImmediate(() => resolve(void order.push('immediate')))
      })
    })
    expect(order).toEqual(['clock', 'immediate'])
  })

  it('cancels', async () => {
    let runs = 0
    const cancelNow = clock.after(0, () => runs++)
    const cancelLater = clock.after(1, () => runs++)
    cancelNow()
    cancelLater()
    await new Promise<void>((resolve) => clock.after(2, resolve))
    expect(runs).toBe(0)
  })
})
