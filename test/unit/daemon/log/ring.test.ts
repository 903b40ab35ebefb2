/** Groups of the log that are sent as one. */
import { expect, it } from 'vitest'
import { joinGroups, LogGroup } from '../../../../daemon/log/ring.ts'
import type { ActorId, ChangeHash, PeerId, ReplicaId } from '../../../../protocol/ids.ts'

function group(seq: number, peer = 'alice', block = 1, amount = 1): LogGroup {
  const actor = `${peer}-actor` as ActorId
  const tip = { actor, seq, hash: `hash-${seq}` as ChangeHash, signature: new Uint8Array(64), peer: peer as PeerId }
  const items = Array.from({ length: amount }, (_, n) => ({
    seq: seq + n,
    actor,
    actorSeq: seq + n,
    bytes: Uint8Array.of(n),
  }))
  return new LogGroup(block, { peer: peer as PeerId, replica: 'r'.repeat(32) as ReplicaId }, items, [tip])
}

const seqsOf = (groups: Iterable<LogGroup>): number[][] => [...groups].map(({ items }) => items.map(({ seq }) => seq))

it('are those that follow each other in one block by one author', () => {
  const groups = [group(1), group(2), group(3, 'bob'), group(4), group(5, 'alice', 2), group(6, 'alice', 2)]
  expect(seqsOf(joinGroups(groups))).toEqual([[1, 2], [3], [4], [5, 6]])
})

it('have the newest signature of each actor', () => {
  const [whole] = joinGroups([group(1), group(2)])
  expect(whole?.tips.map(({ seq }) => seq)).toEqual([2])
})

it('keep the bounds of one', () => {
  const groups = [group(1, 'alice', 1, 200), group(201, 'alice', 1, 56), group(257), group(258)]
  expect([...joinGroups(groups)].map(({ items }) => items.length)).toEqual([256, 2])
})

it('are made once for all who are as far behind', () => {
  const groups = [group(1), group(2), group(3)]
  const [one] = joinGroups(groups)
  const [other] = joinGroups(groups)
  expect(one).toBe(other)
  const [alone] = joinGroups([group(9)])
  expect(alone?.items).toHaveLength(1)
})
