/**
 * What a replica sends for its authors, to a daemon that lost it: changes of anyone, with the signatures of those who
 * wrote them. Keeps true: nothing is sent that no kept signature covers, nothing that builds on what is left out, and
 * each part can be taken by itself once the ones before it were.
 */
import * as A from '@automerge/automerge'
import { type ChangeHash, limits } from '../../protocol/index.ts'
import { type OwnChange, readChange, type SentTip } from '../../protocol/sync/index.ts'
import type { Tips } from './tips.ts'

export type ActorClock = readonly { readonly actor: string; readonly seq: number }[]

export interface SupplyPart {
  readonly changes: readonly OwnChange[]
  /** Of the last change of each actor. */
  readonly tips: readonly SentTip[]
}

export interface SupplyInit {
  /** In an order in which each comes after what it builds on; of each actor without a gap. */
  readonly changes: readonly OwnChange[]
  readonly tips: Tips
  /** Whether it is an actor of this key, which can sign whatever it holds of it. */
  isOwn(actor: string): boolean
  sign(change: OwnChange): SentTip
}

/** Enough for one frame: longer parts only make more be refused together. */
const minChanges = 128
const minBytes = 64 * 1024
/** A long deletion is a few bytes: counted in operations, too, because only so many are taken at once. */
const minOps = limits.maxOpsPerFrame

/** The changes of a document beyond a clock, of the actors that it names, each after what it builds on. */
export function changesBeyond(doc: A.Doc<unknown>, clock: ActorClock, handle: number): OwnChange[] {
  const reach = new Map(clock.map(({ actor, seq }) => [actor, seq]))
  const beyond = A.getChangesMetaSince(doc, []).filter(
    ({ actor, seq }) => seq > (reach.get(actor) ?? Number.POSITIVE_INFINITY),
  )
  return beyond.flatMap(({ hash }) => {
    const bytes = A.getBackend(doc).getChangeByHash(hash)
    if (bytes === null) return []
    const { actor, seq, hash: own, deps, ops, expanded } = readChange(bytes)
    return [{ handle, actor, seq, hash: own, deps, bytes, ops, expandedBytes: expanded.byteLength, isSupplied: true }]
  })
}

export function supplyParts(init: SupplyInit): SupplyPart[] {
  const parts: SupplyPart[] = []
  let part: OwnChange[] = []
  let bytes = 0
  let ops = 0
  let last = new Map<string, OwnChange>()
  /** Actors whose last change here no signature covers yet. */
  const open = new Set<string>()
  for (const change of coveredOf(init)) {
    part.push(change)
    bytes += change.bytes.byteLength
    ops += change.ops
    last.set(change.actor, change)
    if (isSigned(init, change)) open.delete(change.actor)
    else open.add(change.actor)
    const isLong = part.length > limits.maxSupplyChanges || bytes > limits.maxSupplyBytes
    if (isLong || last.size > limits.maxSupplyTips) return parts
    const isShort = part.length < minChanges && bytes < minBytes && ops < minOps
    if (open.size > 0 || isShort) continue
    parts.push({ changes: part, tips: tipsOf(init, last.values()) })
    part = []
    bytes = 0
    ops = 0
    last = new Map()
  }
  if (part.length > 0) parts.push({ changes: part, tips: tipsOf(init, last.values()) })
  return parts
}

/** The changes up to the newest signature of each author, as far as what they build on is among them. */
function coveredOf(init: SupplyInit): readonly OwnChange[] {
  const out = new Set<ChangeHash>()
  let covered = init.changes
  for (;;) {
    const upTo = new Map<string, number>()
    for (const change of covered) if (isSigned(init, change)) upTo.set(change.actor, change.seq)
    const kept = covered.filter(({ actor, seq, hash, deps }) => {
      const isIn = seq <= (upTo.get(actor) ?? 0) && !deps.some((dep) => out.has(dep))
      if (!isIn) out.add(hash)
      return isIn
    })
    // What was left out may have been what the newest signature of its author is on.
    if (kept.length === covered.length) return kept
    covered = kept
  }
}

const isSigned = ({ tips, isOwn }: SupplyInit, { actor, hash }: OwnChange): boolean =>
  isOwn(actor) || tips.on(hash) !== undefined

function tipOf({ tips, isOwn, sign }: SupplyInit, change: OwnChange): SentTip[] {
  if (isOwn(change.actor)) return [sign(change)]
  const kept = tips.on(change.hash)
  if (kept === undefined) return []
  const { actor, seq, hash, signature, peer } = kept
  return [{ actor, seq, hash, signature, peer }]
}

const tipsOf = (init: SupplyInit, changes: Iterable<OwnChange>): SentTip[] =>
  [...changes].flatMap((change) => tipOf(init, change))
