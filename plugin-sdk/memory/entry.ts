/**
 * One block of a replica, loaded or on disk only, and what a refusal of the daemon means for it.
 */
import {
  type ActorId,
  type BlockAddress,
  type BlockMeta,
  type ChangeHash,
  type ErrorCode,
  errorTable,
  isErrorCode,
  MooringError,
} from '../../protocol/index.ts'
import type { OwnChange, Refusal } from '../../protocol/sync/index.ts'
import type { Block } from './block.ts'
import type { KnownChange } from './document.ts'
import type { BlockHandle, RefusedChanges } from './handle.ts'
import type { LocalChange } from './local-change.ts'
import type { StoredOwn, StoredSealed, StoredTip } from './store.ts'

export interface Entry {
  readonly address: BlockAddress
  readonly schema: string
  /** Undefined until the daemon has said which generation of the address this is. */
  generation: number | undefined
  /** What the daemon said of that generation: with it a daemon that lost it takes it back. */
  sealed: StoredSealed | undefined
  /** What is said of it where it is made; until the daemon says something of it, also here. */
  wanted: BlockMeta | undefined
  /** The daemon has not all of that generation: should it go on with another one, this one is kept apart as a whole. */
  isLost: boolean
  /** Why it was gone when the last process ended. */
  gone: string | undefined
  /** Undefined while the block is on disk only. */
  loaded: { readonly block: Block; readonly handle: BlockHandle } | undefined
  loading: Promise<void> | undefined
  /** Came while the block was being loaded. */
  readonly arrived: KnownChange[]
  readonly arrivedTips: StoredTip[]
  /** Nothing of it is here: a snapshot is all there is. */
  isEmpty: boolean
  /** Heads that the daemon told of and that have not come yet; without any the block is in step. */
  readonly awaited: Set<string>
  /** How many changes the daemon had when it introduced the block. */
  changes: number
  /** Newest change of each own actor, while the block is on disk only. */
  readonly own: Map<string, { seq: number; hash: ChangeHash }>
  /** The address holds a block of another schema: what comes of it is not for this document. */
  isOther: boolean
  /** Somebody opened it in this process: the daemon is asked to make it if there is none. */
  isAsked: boolean
  /** Somebody opened it again when it was gone: another one may be made at the address. */
  isWantedAnew: boolean
  /** Handle on the present conversation, once the daemon introduced the block there. */
  wire: number | undefined
  /** Number of the newest local change that was handed to the present conversation. */
  sentUpTo: number
  /** Newest seq of each actor that the daemon took on the present conversation. */
  readonly taken: Map<string, number>
  /** The last change of each frame that is on its way, by its number. */
  underWay: number[]
  /** How many frames may be on their way at once. */
  portion: number
  /** There is more to be sent than may be on its way. */
  isHeldBack: boolean
  /** Refused for now; sent again once nothing of the block is on its way. */
  retry: { readonly code: string; readonly afterMs: number } | undefined
  cancelRetry: (() => void) | undefined
  /** How often it was refused for now, one time after another. */
  attempts: number
  /** What the engine could not take and the daemon has not been told. */
  readonly poison: Set<ChangeHash>
}

export type LoadedEntry = Entry & { readonly loaded: NonNullable<Entry['loaded']> }

/** Below every number of a change. */
export const nothingSent = Number.NEGATIVE_INFINITY

/** Enough that the daemon always has some to look at, few enough that it costs little when all of them are refused. */
const firstPortion = 8

/** Nothing that is unsettled is on its way any more. */
export function recall(entry: Entry): void {
  entry.sentUpTo = nothingSent
  entry.underWay = []
}

export const newEntry = (address: BlockAddress, schema: string): Entry => ({
  address,
  schema,
  generation: undefined,
  sealed: undefined,
  wanted: undefined,
  isLost: false,
  gone: undefined,
  loaded: undefined,
  loading: undefined,
  arrived: [],
  arrivedTips: [],
  isEmpty: false,
  awaited: new Set(),
  changes: 0,
  own: new Map(),
  isOther: false,
  isAsked: false,
  isWantedAnew: false,
  wire: undefined,
  sentUpTo: nothingSent,
  taken: new Map(),
  underWay: [],
  portion: firstPortion,
  isHeldBack: false,
  retry: undefined,
  cancelRetry: undefined,
  attempts: 0,
  poison: new Set(),
})

/** What is said of a block beside its content: what the daemon told, or who made it here. */
export const metaOf = ({ sealed, wanted }: Entry): BlockMeta => sealed?.meta ?? wanted ?? {}

/**
 * Whether the daemon is asked for the block when a conversation begins, and makes it if there is none: what it has never
 * heard of, what is to be made anew, and what has something to say. What it knew and nobody changed is watched only: it may
 * have been deleted.
 */
export const needsAsking = ({ isAsked, isWantedAnew, generation, loaded }: Entry): boolean => {
  if (loaded === undefined) return false
  return loaded.block.unsettled.length > 0 || isWantedAnew || (generation === undefined && isAsked)
}

/**
 * A change came that this replica may have made and lost: a copy or an old backup gets back what was sent from the other.
 * Changes of other replicas of this key are theirs to speak for.
 */
export function regain({ loaded, own }: Entry, actor: ActorId, seq: number, hash: ChangeHash): boolean {
  if (loaded !== undefined) return loaded.block.regain(actor, seq, hash)
  const held = own.get(actor)
  if (held !== undefined && held.seq < seq) own.set(actor, { seq, hash })
  return held !== undefined
}

/** Newest change that is held of each actor of this key. */
export function ownOf({ loaded, own }: Entry): StoredOwn[] {
  return loaded?.block.own.newest ?? [...own].map(([actor, last]) => ({ actor: actor as ActorId, ...last }))
}

/** Changes by the block that they belong to; those of a handle that means nothing any more are left out. */
export function byEntry(changes: readonly OwnChange[], byWire: ReadonlyMap<number, Entry>): Map<Entry, OwnChange[]> {
  const entries = new Map<Entry, OwnChange[]>()
  for (const change of changes) {
    const entry = byWire.get(change.handle)
    if (entry === undefined) continue
    const ofEntry = entries.get(entry)
    if (ofEntry === undefined) entries.set(entry, [change])
    else ofEntry.push(change)
  }
  return entries
}

/** Positions of the changes with these hashes, as few ranges. */
export function rangesOf(
  unsettled: readonly LocalChange[],
  hashes: ReadonlySet<string>,
): { from: number; to: number }[] {
  const ranges: { from: number; to: number }[] = []
  let open: { from: number; to: number } | undefined
  let left = hashes.size
  for (const { hash, position } of unsettled) {
    if (left === 0) break
    if (!hashes.has(hash)) {
      open = undefined
      continue
    }
    left--
    if (open === undefined) {
      open = { from: position, to: position }
      ranges.push(open)
    }
    open.to = position
  }
  return ranges
}

/** What was taken out of a block is kept where its author finds it. */
export function tellRefused(handle: BlockHandle, id: number, aside: readonly KnownChange[], error: Refusal): void {
  if (aside.length > 0) handle.refuse(refusedOf(id, aside, error), toError(error))
}

export const refusedOf = (id: number, aside: readonly KnownChange[], { code, detail }: Refusal): RefusedChanges => ({
  id,
  code,
  detail,
  changes: aside.map(({ bytes }) => bytes),
})

/** What the daemon said, as an error of this side. */
export function toError({ code, detail }: Refusal, otherwise: ErrorCode = 'internal'): MooringError {
  return new MooringError(isErrorCode(code) ? code : otherwise, detail === undefined ? {} : { detail })
}

/**
 * Codes after which the same may be taken although it was refused: a fault of the daemon may be mended, and a handle that
 * means nothing any more is asked for again.
 */
const mendable: ReadonlySet<string> = new Set(['internal', 'database-corrupt', 'wrong-state', 'unknown-handle'])

/** Whether the same may be taken later: nothing that a person wrote is undone for what may pass. */
export const isForNow = ({ code }: Refusal): boolean =>
  mendable.has(code) || (isErrorCode(code) && errorTable[code].retryable)
