/** Whether a block has room for a change: each bound met, and exceeded by one. */
import { expect, it } from 'vitest'
import { checkRoom, maxActorsPerOwner } from '../../../../daemon/log/placement.ts'
import type { ActorId } from '../../../../protocol/ids.ts'
import { limits } from '../../../../protocol/limits.ts'

const actor = 'ab'.repeat(24) as ActorId
const fact = (ops: number, seq = 1, content = 0) => ({ actor, seq, ops, content })
const ledger = (held: Partial<Record<'ops' | 'objects' | 'actors' | 'content' | 'beside', number>>) => ({
  ...{ ops: 0, objects: 0, actors: 0, content: 0 },
  actorsBeside: () => held.beside ?? 0,
  ...held,
})

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

it('has an eighth of its actors for one key, who then go on', () => {
  checkRoom(fact(1), 0, ledger({ beside: maxActorsPerOwner - 1 }))
  expect(() => checkRoom(fact(1), 0, ledger({ beside: maxActorsPerOwner }))).toThrow(/an eighth/)
  checkRoom(fact(1, 2), 0, ledger({ beside: maxActorsPerOwner }))
})

it('holds so many bytes, and what takes none may go on', () => {
  const almost = ledger({ content: limits.maxBytesPerBlock - 10 })
  checkRoom(fact(1, 2, 10), 0, almost)
  expect(() => checkRoom(fact(1, 2, 11), 0, almost)).toThrow(/maxBytesPerBlock/)
  checkRoom(fact(1, 2, 0), 0, ledger({ content: limits.maxBytesPerBlock }))
})

it('has the bounds that the operator set', () => {
  const set = { maxOpsPerBlock: 1_000, maxBytesPerBlock: 2_000 }
  checkRoom(fact(1_000, 2, 2_000), 0, ledger({}), set)
  expect(() => checkRoom(fact(1_001), 0, ledger({}), set)).toThrow(/maxOpsPerBlock/)
  expect(() => checkRoom(fact(1, 2, 2_001), 0, ledger({}), set)).toThrow(/maxBytesPerBlock.*reset-history/)
})
