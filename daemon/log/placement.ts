/**
 * Where a change may stand among the others of its block, and whether the block has room for it. Keeps: others can go on
 * editing, whoever writes beside them, and what has to be kept in memory of a block is bounded.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { ActorId } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import type { Facts } from './frame-reading.ts'
import { costOf, type Ledger } from './ledger.ts'
import { fullRetryMs, type Quotas } from './quotas.ts'

/** Edits of one peer that stand side by side: one for each of its known replicas. */
const maxHeadsPerPeer = 64
const maxHeads = 1_024

/**
 * Rules about where a change stands among the others. Heads cost everyone: each next edit names all of them as its
 * dependencies, and above `limits.maxDeps` nobody could edit any more.
 */
export function checkPlace(
  fact: Facts,
  ledger: Ledger,
  senders: readonly string[],
  isOwn: (actor: ActorId) => boolean,
): void {
  const last = ledger.lastOf(fact.actor)
  for (const hash of last === undefined ? fact.deps : [...fact.deps, last.hash]) {
    // Nobody has seen what is not durable, but who sent it. Refused, it would take a part of this frame along.
    const other = ledger.senderOf(hash)
    if (other !== undefined && !senders.includes(other)) throw new MooringError('missing-deps', { detail: hash })
  }
  if (last !== undefined && ledger.isHead(last.hash) && !fact.deps.includes(last.hash)) {
    throw new MooringError('bad-change', { detail: 'own-skipped: a change builds on the last one of its actor' })
  }
  if (fact.deps.some((dep) => ledger.isHead(dep))) return
  if (ledger.heads >= maxHeads || ledger.headsOf(isOwn) >= maxHeadsPerPeer) {
    throw new MooringError('quota-exceeded', { detail: 'too many edits side by side: one has to build on the others' })
  }
}

/** Of the actors that a block may have, one owner has this part: every process of everybody else needs one as well. */
export const maxActorsPerOwner = limits.maxActorsPerBlock / 8

/** Bounds of a block: what is kept in memory to take changes in, and what a document is made of. */
export function checkRoom(
  fact: Pick<Facts, 'actor' | 'content' | 'ops' | 'seq'>,
  objects: number,
  ledger: Pick<Ledger, 'actors' | 'actorsBeside' | 'content' | 'objects' | 'ops'>,
  quotas: Pick<Quotas, 'maxBytesPerBlock' | 'maxOpsPerBlock'> = limits,
  isDaemons = false,
): void {
  const isFull: readonly (readonly [boolean, string])[] = [
    [ledger.ops + costOf(fact) > quotas.maxOpsPerBlock, 'a block has at most maxOpsPerBlock operations'],
    [ledger.content + fact.content > quotas.maxBytesPerBlock, 'a block holds at most maxBytesPerBlock bytes'],
    [ledger.objects + objects > limits.maxObjectsPerBlock, 'a block has at most maxObjectsPerBlock objects'],
    [fact.seq === 1 && ledger.actors >= limits.maxActorsPerBlock, 'a block has at most maxActorsPerBlock actors'],
    [
      fact.seq === 1 && !isDaemons && ledger.actorsBeside(fact.actor) >= maxActorsPerOwner,
      'one key has at most an eighth of maxActorsPerBlock actors in a block',
    ],
  ]
  for (const [isOver, bound] of isFull) {
    if (!isOver) continue
    const detail = `${bound}; moor block reset-history makes room`
    throw new MooringError('quota-exceeded', { detail, retryAfterMs: fullRetryMs })
  }
}
