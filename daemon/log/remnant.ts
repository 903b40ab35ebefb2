/**
 * What is left of a block of which something was damaged, as the entry that sets it back to that. Keeps: only what was read as
 * it was written is built on; whatever was known of the rest is kept, so that it is recognised when it comes back.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { MooringError } from '../../protocol/errors.ts'
import type { ActorId, ChangeHash } from '../../protocol/ids.ts'
import type {
  BlockId,
  BlockRemains,
  BlockRow,
  LogPage,
  LostChanges,
  Seq,
  SetBackEntry,
  Snapshot,
  Storage,
} from '../storage/storage.ts'
import type { Quarantine } from './quarantine.ts'
import { type Orphan, Replay } from './replay.ts'

export interface RemnantInit {
  readonly storage: Pick<Storage, 'remains' | 'readLog' | 'snapshot'>
  readonly quarantine: Pick<Quarantine, 'hasRow'>
  readonly views: { unfold(row: BlockRow, snapshot: Snapshot): Promise<readonly Uint8Array[]> }
  /** The log may be read up to here. */
  published(): Seq
  nowMs(): number
}

/** `sound`: nothing is wrong with the block; `renew`: nothing but its snapshot, and its rows are all there. */
export type Remnant = 'sound' | 'renew' | 'deleted' | Omit<SetBackEntry, 'kind' | 'origin' | 'grantVersion'>

type DamagedChange = LogPage['damaged'][number]

const pageBytes = 256 * 1024
/** About two milliseconds of work. */
const changesPerTurn = 128

/** @throws `database-corrupt` when not even the block itself can be read, `view-failed`, `unknown-schema` */
export async function findRemnant(init: RemnantInit, block: BlockId): Promise<Remnant> {
  // Before anything is read: what comes later makes this outdated.
  const until = init.published()
  const remains = await init.storage.remains(block)
  const { row } = remains
  if (row === undefined) {
    throw new MooringError('database-corrupt', { detail: `neither block ${block} nor its creation can be read` })
  }
  if (row.deletedSeq > 0) return 'deleted'
  const snapshot = await snapshotOf(init, row)
  const folded = snapshot === 'damaged' || snapshot === undefined ? undefined : await unfolded(init, row, snapshot)
  const replay = folded?.replay ?? (await Replay.of(row))
  // 0 without a snapshot: the rows that it stood for are lost together with it.
  const horizonSeq = folded?.seq ?? 0
  const damaged = await readRows(init, block, { after: horizonSeq, until }, replay)
  const isWhole = damaged.length === 0 && replay.orphans.length === 0 && isSame(remains, replay)
  // Rows that a snapshot stands for may be damaged: they go with the next fold.
  if (isWhole && row.horizonSeq <= horizonSeq) {
    return snapshot === 'damaged' || row.horizonSeq < horizonSeq ? 'renew' : 'sound'
  }
  const { clock, heads, objects, content, maxOp, ops, gaps } = replay.state
  const known = new Map(remains.clock.map((each) => [each.hash, each.signature]))
  const none = new Uint8Array()
  return {
    until,
    row: { ...row, heads, maxOp, ops, gaps, changes: replay.changes, horizonSeq },
    clock: clock.map((each) => ({ ...each, signature: known.get(each.hash) ?? none })),
    objects,
    content,
    damaged: damaged.map(({ seq }) => seq),
    waiting: replay.orphans.map(({ seq, facts }) => ({
      seq,
      hash: facts.hash,
      signature: known.get(facts.hash) ?? none,
    })),
    lost: lostOf({ remains, replay, damaged, block, atMs: init.nowMs() }),
    dropsSnapshot: folded === undefined,
  }
}

async function snapshotOf({ storage }: RemnantInit, row: BlockRow): Promise<Snapshot | 'damaged' | undefined> {
  try {
    const stored = await storage.snapshot(row.id)
    return (stored?.seq ?? 0) < row.horizonSeq ? 'damaged' : stored
  } catch (error) {
    if (error instanceof MooringError && error.code === 'block-damaged') return 'damaged'
    throw error
  }
}

/** What a snapshot holds; undefined for one that holds something else than changes of this block. */
async function unfolded({ views }: RemnantInit, row: BlockRow, snapshot: Snapshot) {
  const replay = await Replay.of(row)
  for (const [index, bytes] of (await views.unfold(row, snapshot)).entries()) {
    if (index % changesPerTurn === changesPerTurn - 1) await nextTurn()
    if (!replay.takeFolded(bytes)) return undefined
  }
  return { replay, seq: snapshot.seq }
}

/** Answers the rows that are damaged. */
async function readRows(
  { storage, quarantine }: RemnantInit,
  block: BlockId,
  { after: from, until }: { readonly after: Seq; readonly until: Seq },
  replay: Replay,
): Promise<DamagedChange[]> {
  const damaged: DamagedChange[] = []
  for (let after = from; after < until; ) {
    const page = await storage.readLog({ block, after, until, maxBytes: pageBytes })
    damaged.push(...page.damaged.filter((row) => row.block === block && !quarantine.hasRow(block, row.seq)))
    for (const [index, { seq, bytes }] of page.rows.entries()) {
      if (index % changesPerTurn === changesPerTurn - 1) await nextTurn()
      if (!quarantine.hasRow(block, seq)) replay.take(seq, bytes)
    }
    after = page.next
  }
  return damaged
}

const isSame = ({ clock, isSound, row }: BlockRemains, replay: Replay): boolean =>
  isSound &&
  row?.changes === replay.changes &&
  clock.every(({ actor, seq, hash }) => replay.reach(actor) === seq && replay.has(hash))

interface LostInit {
  readonly remains: BlockRemains
  readonly replay: Replay
  readonly damaged: readonly DamagedChange[]
  readonly block: BlockId
  readonly atMs: number
}

/** Numbers that the clock says were used, and of which no change is left. */
function lostOf({ remains, replay, damaged, block, atMs }: LostInit): LostChanges[] {
  const hashes = lostHashes(remains, replay, damaged)
  const left = Map.groupBy(replay.orphans, ({ facts }) => facts.actor)
  return remains.clock.flatMap(({ actor, seq: last }) => {
    const lost: LostChanges[] = []
    const orphans = new Set((left.get(actor) ?? []).map(({ facts }) => facts.seq))
    let from: number | undefined
    for (let seq = replay.reach(actor) + 1; seq <= last; seq++) {
      if (orphans.has(seq)) continue
      from ??= seq
      const hash = hashes.get(`${actor} ${seq}`)
      // One whose hash is known stands for itself at the end of what lies before it.
      if (hash === undefined && seq < last && !orphans.has(seq + 1)) continue
      lost.push({ block, actor, from, to: seq, hash, atMs })
      from = undefined
    }
    return lost
  })
}

/** What damaged rows say of their hashes, as far as something that is sound says it, too. */
function lostHashes({ clock, row }: BlockRemains, { orphans }: Replay, damaged: readonly DamagedChange[]) {
  const named = new Set<ChangeHash>([
    ...clock.map(({ hash }) => hash),
    ...(row?.heads ?? []),
    ...orphans.flatMap(({ facts }: Orphan) => facts.deps),
  ])
  const hashes = new Map<string, ChangeHash | undefined>()
  for (const { actor, actorSeq, hash } of damaged) {
    if (!named.has(hash)) continue
    const key = keyOf(actor, actorSeq)
    // The hash is right, whose it is may be what is damaged: of two for one change none is believed.
    hashes.set(key, hashes.has(key) && hashes.get(key) !== hash ? undefined : hash)
  }
  for (const { actor, seq, hash } of clock) hashes.set(keyOf(actor, seq), hash)
  return hashes
}

const keyOf = (actor: ActorId, seq: number): string => `${actor} ${seq}`
