/** A change made here, with what sending it needs, so that it is read once. */
import type { ChangeHash } from '../../protocol/index.ts'
import { type ChangeFacts, readChange } from '../../protocol/sync/index.ts'
import type { StoredChange } from './store.ts'

export interface LocalChange {
  /** Counted from 1 over the life of the block in this process. */
  readonly number: number
  /** Of the change in the store of the replica. */
  readonly position: number
  readonly actor: string
  readonly seq: number
  readonly hash: ChangeHash
  readonly deps: readonly ChangeHash[]
  readonly bytes: Uint8Array
  readonly ops: number
  readonly expandedBytes: number
}

/** @param place where it stands among the changes of the block, and of the store */
export function localChange(
  bytes: Uint8Array,
  { actor, seq, hash, deps, ops, expanded }: ChangeFacts,
  place: { readonly number: number; readonly position: number },
): LocalChange {
  return { ...place, actor, seq, hash, deps, bytes, ops, expandedBytes: expanded.byteLength }
}

/** What an earlier process made and could not settle, oldest first. */
export function unsettledOf(stored: readonly StoredChange[]): LocalChange[] {
  return stored
    .filter(({ isUnsettled }) => isUnsettled)
    .map(({ bytes, position }, index) => localChange(bytes, readChange(bytes), { number: index + 1, position }))
}

/**
 * Which settled changes of own actors are beyond what the daemon holds; undefined when none is.
 *
 * @param own newest change of each own actor, settled or not
 */
export function beyond(
  held: ReadonlyMap<string, number>,
  own: ReadonlyMap<string, { readonly seq: number }>,
  unsettled: readonly LocalChange[],
): ((actor: string, seq: number) => boolean) | undefined {
  const settledUpTo = new Map([...own].map(([actor, { seq }]) => [actor, seq]))
  for (const { actor, seq } of unsettled.toReversed()) settledUpTo.set(actor, seq - 1)
  const isMissing = (actor: string, seq: number): boolean =>
    seq > (held.get(actor) ?? 0) && seq <= (settledUpTo.get(actor) ?? 0)
  return [...settledUpTo].some(([actor, seq]) => isMissing(actor, seq)) ? isMissing : undefined
}

/** Those with a greater number; they are in its order. */
export function changesAfter(changes: readonly LocalChange[], number: number): readonly LocalChange[] {
  let low = 0
  let high = changes.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((changes[middle]?.number ?? 0) <= number) low = middle + 1
    else high = middle
  }
  return changes.slice(low)
}
