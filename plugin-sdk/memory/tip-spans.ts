/**
 * Which signatures of other authors are kept. Keeps true: what lies between two of an actor is short enough to be supplied
 * together, and few are kept of a long history.
 */
import { limits } from '../../protocol/limits.ts'
import type { ChangeFacts } from '../../protocol/sync/index.ts'
import type { StoredTip } from './store.ts'

/** Changes that one kept signature stands for: what is supplied together may hold those of many authors. */
const maxSpan = 128
/** Bytes of them; as many operations as a frame may hold weigh as much. */
export const maxWeight = 128 * 1024
const bytesPerOp = maxWeight / limits.maxOpsPerFrame

/** A long deletion is a few bytes, but what is supplied together is taken in together. */
export const weightOf = ({ expanded, ops }: Pick<ChangeFacts, 'expanded' | 'ops'>): number =>
  Math.ceil(Math.max(expanded.byteLength, ops * bytesPerOp))

export type Span = Pick<StoredTip, 'from' | 'seq' | 'weight'>

/** The next tip of an actor as it is kept; `drops`: in the place of the newest one that is. */
export function nextTip(last: Span | undefined, next: StoredTip): { readonly drops: boolean; readonly tip: StoredTip } {
  if (last === undefined) return { drops: false, tip: next }
  const weight = last.weight + next.weight
  const drops = next.seq - last.from <= maxSpan && weight <= maxWeight
  return { drops, tip: drops ? { ...next, from: last.from, weight } : { ...next, from: last.seq } }
}

/** Those of a list that are kept; oldest first for each actor. */
export function keptTips(tips: readonly StoredTip[]): readonly StoredTip[] {
  if (tips.length < 2) return tips
  const kept = new Map<string, StoredTip[]>()
  for (const next of tips) {
    const ofActor = kept.get(next.actor) ?? []
    const { drops, tip } = nextTip(ofActor.at(-1), next)
    if (drops) ofActor.pop()
    ofActor.push(tip)
    kept.set(next.actor, ofActor)
  }
  return [...kept.values()].flat()
}
