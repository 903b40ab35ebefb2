import { describe, expect, it } from 'vitest'
import { encodeCursor } from '../../../../daemon/log/cursor.ts'
import { LossReport } from '../../../../daemon/log/loss-report.ts'
import { alice, bob } from '../../../fixtures/cast.ts'
import { recordingLog } from '../../../fixtures/storage-entries.ts'

/** A log that went to 20 when the daemon started, and goes to 25 by now. */
const epochs = [
  { id: 'one', startSeq: 0, endSeq: 20 },
  { id: 'two', startSeq: 20, endSeq: undefined },
]
const at = (epoch: string, seq: number): Uint8Array => encodeCursor({ epoch, seq, view: '' })

function reported() {
  const report = new LossReport(epochs, () => 25)
  const log = recordingLog()
  const check = (cursor: Uint8Array | undefined, seen?: number, { peer } = alice): number => {
    report.check(cursor, seen, { peer, log })
    return log.lines.filter(({ level }) => level === 'warn').length
  }
  return { check }
}

describe('a replica that comes', () => {
  it.each<[string, Uint8Array | undefined, number | undefined, boolean]>([
    ['nothing', undefined, undefined, false],
    ['no cursor of this daemon', new Uint8Array(9), undefined, false],
    ['a cursor at the end', at('two', 25), undefined, false],
    ['a cursor at the end of an earlier epoch', at('one', 20), undefined, false],
    ['a cursor behind the end of its epoch', at('one', 21), undefined, true],
    ['a cursor behind the end', at('two', 26), undefined, true],
    ['a cursor, and changes up to where the log ended when the daemon started', at('one', 10), 20, false],
    ['a cursor, and changes that came after it and are gone', at('one', 10), 21, true],
  ])('with %s: a loss is told once of each key', (_what, cursor, seen, isLoss) => {
    const { check } = reported()
    for (const person of [alice, bob, alice]) check(cursor, seen, person)
    expect(check(undefined)).toBe(isLoss ? 2 : 0)
  })

  it('once more may have seen all that there is by now, and not more', () => {
    const { check } = reported()
    check(at('one', 10), 15)
    expect(check(at('one', 10), 25)).toBe(0)
    expect(check(at('one', 10), 26)).toBe(1)
  })
})
