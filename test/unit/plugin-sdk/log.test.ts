import { describe, expect, it } from 'vitest'
import { LogForwarder, type LogLevel } from '../../../plugin-sdk/log.ts'
import { limits, MooringError } from '../../../protocol/index.ts'
import { ManualClock, settled } from '../../fixtures/clock.ts'

function world(write?: (line: { level: LogLevel; text: string }) => Promise<unknown>) {
  const clock = new ManualClock()
  const lines: string[] = []
  const forwarder = new LogForwarder({
    clock,
    write:
      write ??
      (async ({ level, text }) => {
        lines.push(`${level} ${text}`)
      }),
  })
  return { clock, lines, forwarder }
}

describe('LogForwarder', () => {
  it('keeps the order and the rate', async () => {
    const { clock, lines, forwarder } = world()
    for (let n = 0; n < 250; n++) forwarder.add('info', `line ${n}`)
    await settled()
    expect(lines).toHaveLength(limits.maxLogLinesPerSecond)
    await clock.advance(2_000)
    expect(lines).toEqual(Array.from({ length: 250 }, (_, n) => `info line ${n}`))
    await forwarder.flushed()
  })

  it('is bounded, and tells how many lines did not fit', async () => {
    const { clock, lines, forwarder } = world()
    for (let n = 0; n < 1_500; n++) forwarder.add('info', n)
    await clock.advance(60_000)
    expect(lines.at(-1)).toMatch(/^warn \d+ log lines did not fit/)
    expect(lines).toHaveLength(1_002)
  })

  it('tries a line again when the daemon asks for time', async () => {
    const tried: string[] = []
    const { clock, forwarder } = world(async ({ text }) => {
      tried.push(text)
      if (tried.length === 1) throw new MooringError('rate-limited', { retryAfterMs: 700 })
    })
    forwarder.add('info', 'a')
    forwarder.add('info', 'b')
    await clock.advance(699)
    expect(tried).toEqual(['a'])
    await clock.advance(1)
    expect(tried).toEqual(['a', 'a', 'b'])
  })

  it('drops a line that cannot be delivered and goes on', async () => {
    const tried: string[] = []
    const { forwarder } = world(async ({ text }) => {
      tried.push(text)
      throw new MooringError('connection-lost')
    })
    forwarder.add('info', 'a')
    forwarder.add('info', 'b')
    await forwarder.flushed()
    expect(tried).toEqual(['a', 'b'])
  })

  it('takes any value, cuts it, and never throws', async () => {
    const { lines, forwarder } = world()
    forwarder.add('error', new Error('broken'))
    forwarder.add('info', {
      toString: () => {
        throw new Error('no text')
      },
    })
    forwarder.add('info', `${'x'.repeat(limits.maxLogLineChars - 1)}\u{1f600}`)
    forwarder.add('info', undefined)
    await settled()
    expect(lines[0]).toMatch(/^error Error: broken\n/)
    expect(lines[1]).toBe('info a value without a text')
    expect(lines[2]).toHaveLength('info '.length + limits.maxLogLineChars)
    expect(lines[2]?.isWellFormed()).toBe(true)
    expect(lines[3]).toBe('info undefined')
  })
})
