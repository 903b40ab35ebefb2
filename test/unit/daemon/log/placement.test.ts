/** Whether a block has room for a change: each bound met, and exceeded by one. */
import { expect, it } from 'vitest'
import type { Ledger } from '../../../../daemon/log/ledger.ts'
import { checkRoom } from '../../../../daemon/log/placement.ts'
import { limits } from '../../../../protocol/limits.ts'

const fact = (ops: number, seq = 1) => ({ seq, ops }) as never
const ledger = (held: Partial<Record<'ops' | 'objects' | 'actors', number>>) =>
  ({ ops: 0, objects: 0, actors: 0, ...held }) as unknown as Ledger

it('has so many operations', () => {
  const almost = ledger({ ops: limits.maxOpsPerBlock - 10 })
  checkRoom(fact(10), 0, almost)
  expect(() => checkRoom(fact(11), 0, almost)).toThrow(/maxOpsPerBlock/)
  // One without any counts for one: it costs a row as well.
  expect(() => checkRoom(fact(0), 0, ledger({ ops: limits.maxOpsPerBlock }))).toThrow(/maxOpsPerBlock/)
})

it('has so many objects', () => {
  const almost = ledger({ objects: limits.maxObjectsPerBlock - 10 })
  checkRoom(fact(10), 10, almost)
  expect(() => checkRoom(fact(11), 11, almost)).toThrow(/maxObjectsPerBlock/)
})

it('has so many actors, who then go on', () => {
  checkRoom(fact(1), 0, ledger({ actors: limits.maxActorsPerBlock - 1 }))
  expect(() => checkRoom(fact(1), 0, ledger({ actors: limits.maxActorsPerBlock }))).toThrow(/maxActorsPerBlock/)
  checkRoom(fact(1, 2), 0, ledger({ actors: limits.maxActorsPerBlock }))
})
