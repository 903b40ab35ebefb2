import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Backoff, isFinal } from '../../../plugin-sdk/reconnect.ts'
import { errorCodes, MooringError } from '../../../protocol/index.ts'

const ceilings = (random: number, attempts: number) => {
  const backoff = new Backoff({ random: () => random })
  return Array.from({ length: attempts }, () => backoff.next())
}

describe('Backoff', () => {
  it('doubles its ceiling up to 30 s', () => {
    expect(ceilings(0.999_999_999, 10).map((ms) => ms + 1)).toEqual([
      250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000,
    ])
    expect(ceilings(0, 3)).toEqual([0, 0, 0])
  })

  it('is a delay after any number of failures, never less than what the daemon asked for', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.integer({ min: 0, max: 2_000 }),
        fc.integer({ min: 0, max: 60_000 }),
        (random, failures, retryAfterMs) => {
          const backoff = new Backoff({ random: () => random })
          for (let n = 0; n < failures; n++) backoff.next()
          const delay = backoff.next(retryAfterMs)
          expect(delay).toBeGreaterThanOrEqual(retryAfterMs)
          expect(delay).toBeLessThanOrEqual(retryAfterMs + 30_000)
        },
      ),
    )
  })

  it('begins anew after a reset', () => {
    const backoff = new Backoff({ random: () => 0.5 })
    for (let n = 0; n < 5; n++) backoff.next()
    backoff.reset()
    expect(backoff.next()).toBe(125)
  })
})

describe('isFinal', () => {
  it('is true for exactly the answers that waiting cannot change', () => {
    const dialled = [
      'approval-denied',
      'revoked',
      'key-mismatch',
      'invite-invalid',
      'ticket-invalid',
      'version-mismatch',
      'superseded',
      'request-superseded',
      'invalid-input',
      'malformed',
      'frame-too-large',
    ] as const
    for (const code of dialled) expect(isFinal(new MooringError(code)), code).toBe(true)
    const repeated = [
      'daemon-unreachable',
      'connection-lost',
      'timeout',
      'lobby-full',
      'request-expired',
      'replica-in-use',
      'replica-limit',
      'heartbeat-lost',
      'daemon-stopping',
      'internal',
      'hello-required',
    ] as const
    for (const code of repeated) expect(isFinal(new MooringError(code)), code).toBe(false)
    expect(isFinal(new Error('a fault of a library'))).toBe(false)
    expect(isFinal('not even an error')).toBe(false)
  })

  it('never repeats by itself what the table calls not retryable, but for the faults of a daemon that may be mended', () => {
    const repeated = errorCodes.filter((code) => {
      const error = new MooringError(code)
      return !error.retryable && !isFinal(error)
    })
    expect(repeated).toEqual(['hello-required', 'internal'])
  })
})
