/** What has to be known of a block before changes are taken in: who makes it necessary waits for it, and pays. */
import { expect, it } from 'vitest'
import { Ledgers } from '../../../../daemon/log/ledgers.ts'
import { Rates } from '../../../../daemon/log/rates.ts'
import { Recall } from '../../../../daemon/log/recall.ts'
import type { ReplicaId } from '../../../../protocol/ids.ts'
import { limits } from '../../../../protocol/limits.ts'
import { alice, bob, mallory } from '../../../fixtures/cast.ts'
import { ManualClock } from '../../../fixtures/clock.ts'

const replica = 'a'.repeat(32) as ReplicaId

const hash = (n: number): string => n.toString(16).padStart(64, '0')

/** Blocks of so many changes; unless told otherwise one of them is kept at a time. */
function recallOf(changes: number, maxEntries = changes) {
  const reads: number[] = []
  const waiting: (() => void)[] = []
  let isHeld = false
  const storage = {
    blockState: async (id: number) => {
      reads.push(id)
      if (isHeld) await new Promise<void>((resolve) => waiting.push(resolve))
      return {
        row: { id, maxOp: 0, ops: 0, gaps: 0, heads: [], horizonSeq: 0 },
        clock: [],
        objects: [],
        known: Array.from({ length: changes }, (_, n) => ({ hash: hash(n), maxOp: n })),
      }
    },
  }
  const ledgers = new Ledgers(storage as never, async () => {}, maxEntries)
  const clock = new ManualClock()
  const recall = new Recall({ ledgers, index: {} as never, history: async () => new Map() }, new Rates(clock))
  const read = (peer: typeof alice.peer, block: number) =>
    recall.ledgerFor({ block, origin: { peer, replica } }, [], { replica, paid: 0 })
  return {
    clock,
    reads,
    read,
    hold: () => {
      isHeld = true
    },
    goOn: () => {
      isHeld = false
      for (const resolve of waiting.splice(0)) resolve()
    },
  }
}

it('is free when it is read first, and paid for when it had to make room and is read again', async () => {
  const { read, reads, clock } = recallOf(30_000)
  for (const block of [1, 2, 3, 4]) await read(mallory.peer, block)
  await read(mallory.peer, 4)
  expect(reads).toEqual([1, 2, 3, 4])
  // Each of these has made room by then: four are begun within what a second allows.
  for (const block of [1, 2, 3, 4]) await read(mallory.peer, block)
  await expect(read(mallory.peer, 1)).rejects.toMatchObject({ code: 'rate-limited' })
  await read(alice.peer, 4)
  await clock.advance(1_000)
  await read(mallory.peer, 1)
})

it('is never paid with more than a peer has, however much there is to read', async () => {
  const { read, clock } = recallOf(limits.maxOpsPerPeerSecond * 2)
  await read(alice.peer, 1)
  await read(alice.peer, 2)
  await clock.advance(1_000)
  await read(alice.peer, 1)
})

it('is read one block after another for one peer, and for nobody else', async () => {
  const { hold, goOn, read, reads } = recallOf(10, 1_000)
  hold()
  const greedy = [1, 2, 3].map((block) => read(mallory.peer, block))
  const honest = read(bob.peer, 3)
  await new Promise((resolve) => setImmediate(resolve))
  expect(reads).toEqual([1, 3])
  goOn()
  await Promise.all([...greedy, honest])
  expect(reads).toEqual([1, 3, 2])
})
