/** Processor time of a thread, also where Node does not tell it. */
import { describe, expect, it } from 'vitest'
import { readSchedstat, threadCpuClock } from '../../../../daemon/views/thread-cpu.ts'

describe('the processor time of a thread', () => {
  it('is what Node says, in milliseconds', () => {
    const clock = threadCpuClock({ threadCpuUsage: () => ({ user: 1_500, system: 500 }), readSchedstat })
    expect(clock()).toBe(2)
  })

  it('is what Linux says where Node does not', () => {
    const clock = threadCpuClock({ readSchedstat: () => '2500000 1030936 2\n' })
    expect(clock()).toBe(2.5)
  })

  it.each([undefined, '', 'nonsense'])('stands still where nobody says it: %s', (text) => {
    const clock = threadCpuClock({ readSchedstat: () => text })
    expect([clock(), clock()]).toEqual([0, 0])
  })

  it.skipIf(process.platform !== 'linux')('grows with work, and not with waiting', () => {
    const clock = threadCpuClock({ readSchedstat })
    const before = clock()
    let sum = 0
    while (clock() - before < 5) for (let n = 0; n < 10_000; n++) sum += Math.sqrt(n)
    expect(sum).toBeGreaterThan(0)
    expect(clock()).toBeGreaterThan(before)
  })
})
