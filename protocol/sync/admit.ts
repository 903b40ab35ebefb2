/**
 * Decides whether a structurally sound change fits the block it is for. Pure: what the block holds comes in through a
 * port. Keeps the invariant that an admitted change has all it builds on, counts on from there, and writes only to
 * objects that exist, so that the document it becomes part of can always be loaded.
 */
import { MooringError } from '../errors.ts'
import type { ActorId, ChangeHash } from '../ids.ts'
import { limits } from '../limits.ts'
import type { ChangeFacts } from './change-structure.ts'
import { keyKindOf, type ObjectType } from './ops.ts'

/** An object of a block. The root has depth 0, what lies in it has depth 1. */
export interface KnownObject {
  readonly type: ObjectType
  readonly depth: number
}

/** The newest change of an actor in a block. */
export interface ActorTip {
  readonly seq: number
  readonly hash: ChangeHash
  readonly maxOp: number
}

/** What has to be known of a block to admit a change to it. */
export interface BlockKnowledge {
  /** Counter of the last operation of a change; `undefined` for a change that is not known. */
  maxOpOf(hash: ChangeHash): number | undefined
  /** An object by the `<counter>@<actor hex>` of the operation that made it; never asked for the root. */
  object(opId: string): KnownObject | undefined
  lastOf(actor: ActorId): ActorTip | undefined
  /** Highest operation counter of the block; 0 when it is empty. */
  readonly maxOp: number
  /** Operations in the block. */
  readonly ops: number
  /** Sum of the gaps of all admitted changes of the block, see {@link Admission}. */
  readonly gaps: number
}

/** An object that an admitted change adds to the block. */
export interface NewObject extends KnownObject {
  readonly opId: string
}

export type Admission =
  | {
      readonly outcome: 'admitted'
      readonly objects: readonly NewObject[]
      /** Counters between what the change builds on and its first operation; 0 unless it edits an older version. */
      readonly gap: number
    }
  /** The actor has a change with this or a higher sequence number: a duplicate, or a second version of it. */
  | { readonly outcome: 'stale' }

const ruleTable = {
  'seq-gap': 'a change follows the last one of its actor',
  'own-behind': 'a change builds on operations at least as new as the last ones of its actor',
  'start-low': 'operations count on from the dependencies and from the last change of the actor',
  'object-unknown': 'an operation writes to an object that the block has',
  'object-type': 'maps are written by key, lists and texts by element',
  'object-depth': 'objects lie at most maxObjectDepth deep',
} as const

export type AdmissionRule = keyof typeof ruleTable

/** Every rule that {@link admitChange} refuses by with `bad-change`. */
export const admissionRules = Object.keys(ruleTable) as readonly AdmissionRule[]

function refuse(rule: AdmissionRule): never {
  throw new MooringError('bad-change', { detail: `${rule}: ${ruleTable[rule]}` })
}

/**
 * Checks one change against its block. The caller adds what was admitted to its knowledge before the next change.
 *
 * @throws `missing-deps` (the detail lists the hashes), `bad-change`, `quota-exceeded`
 */
export function admitChange(facts: Omit<ChangeFacts, 'expanded'>, block: BlockKnowledge): Admission {
  const last = block.lastOf(facts.actor)
  const lastSeq = last?.seq ?? 0
  if (facts.seq <= lastSeq) return { outcome: 'stale' }

  let builtOn = 0
  const missing: ChangeHash[] = []
  for (const dep of facts.deps) {
    const maxOp = block.maxOpOf(dep)
    if (maxOp === undefined) missing.push(dep)
    else if (maxOp > builtOn) builtOn = maxOp
  }
  if (missing.length > 0) throw new MooringError('missing-deps', { detail: listHashes(missing) })
  // Every change follows the one before it of the same actor. With nothing missing, that one does not exist.
  if (facts.seq !== lastSeq + 1) refuse('seq-gap')

  // A change follows the one before it of the same actor, so what it builds on is as new. If not, a saved document
  // mistakes the actor's earlier operations for those of this change and can never be loaded again.
  if (last !== undefined && builtOn < last.maxOp) refuse('own-behind')
  if (facts.startOp <= builtOn) refuse('start-low')
  // Equality would be too strict: an edit of an older version starts behind everything its author had seen. For the
  // same reason a gap is no proof of a bad change: after a restore the author may have seen what is missing here.
  if (facts.startOp > block.maxOp + 1) {
    throw new MooringError('missing-deps', { detail: 'start-high: the operations before this change are not known' })
  }
  // Whether what it names is among what it builds on, only the document could tell. That it is in the log before is what
  // keeps replicas together: who gets the two in this order can apply them, and nobody gets them in another.
  for (const { actor, counter } of facts.named) {
    if ((block.lastOf(actor as ActorId)?.maxOp ?? 0) < counter) {
      throw new MooringError('missing-deps', { detail: 'named: an operation that this change names is not known' })
    }
  }
  for (const { object, key } of facts.touched) {
    const known = block.object(object)
    if (known === undefined) refuse('object-unknown')
    if (keyKindOf(known.type) !== key) refuse('object-type')
  }
  const objects = placeObjects(facts, block)
  const gap = facts.startOp - 1 - builtOn
  if (block.gaps + gap > limits.maxGapsPerBlock) {
    throw new MooringError('quota-exceeded', {
      detail: 'a block has at most maxGapsPerBlock counters left out by edits of older versions',
    })
  }
  if (block.ops + facts.ops > limits.maxOpsPerBlock) {
    throw new MooringError('quota-exceeded', { detail: 'a block has at most maxOpsPerBlock operations' })
  }
  return { outcome: 'admitted', objects, gap }
}

/** A parent is made before what lies in it, so one pass in order finds every depth. */
function placeObjects(facts: Pick<ChangeFacts, 'made'>, block: BlockKnowledge): NewObject[] {
  const depths = new Map<string, number>()
  return facts.made.map(({ opId, type, parent }) => {
    const above = parent === '_root' ? 0 : (depths.get(parent) ?? block.object(parent)?.depth)
    if (above === undefined) refuse('object-unknown')
    const depth = above + 1
    if (depth > limits.maxObjectDepth) refuse('object-depth')
    depths.set(opId, depth)
    return { opId, type, depth }
  })
}

/** As many whole hashes as an error detail may hold; the sender resends in order and so needs the first ones most. */
function listHashes(hashes: readonly ChangeHash[]): string {
  const fitting = Math.floor((limits.maxDetailChars + 1) / 65)
  return hashes.slice(0, fitting).join(' ')
}
