/**
 * What peers take up, in one place for all backends. Keeps: what is charged for a block over all of its writers is what it
 * takes on the disk, also when its changes are folded into a snapshot, which is nobody's alone: each then has the same part
 * of it as before.
 */
import type { PeerId } from '../../protocol/ids.ts'
import type { ChangeEntry } from './log-entries.ts'
import type { BlockId, PeerUsage } from './storage.ts'

/** What one peer takes up in one block. */
export interface UsageRow extends PeerUsage {
  readonly block: BlockId
  /** What its changes hold, see {@link ChangeEntry.content}; it becomes less only when some of them are lost. */
  readonly content: number
}

/** A row of the log with its places in the indexes, beside the bytes of its change; it goes with the row. */
export const rowBytes = 160
/** An object and an actor stay, also when the changes that made them are folded away. */
const objectBytes = 100
const actorBytes = 200

type Measured = Pick<ChangeEntry, 'bytes' | 'objects' | 'actorSeq' | 'origin' | 'author'>

/** Who wrote it, however it came. */
const payerOf = ({ author, origin }: Measured): PeerId => author?.peer ?? origin.peer

const diskOf = ({ actorSeq, bytes, objects }: Measured): number =>
  rowBytes + bytes.length + objectBytes * objects.length + (actorSeq === 1 ? actorBytes : 0)

/** What changes take up, once for each peer. */
export function usageOf(entries: readonly Measured[]): PeerUsage[] {
  const disk = new Map<PeerId, number>()
  for (const entry of entries) disk.set(payerOf(entry), (disk.get(payerOf(entry)) ?? 0) + diskOf(entry))
  return [...disk].map(([peer, bytes]) => ({ peer, disk: bytes }))
}

/** What changes add, once for each block and peer in a row. */
export function addedBy(entries: readonly Omit<ChangeEntry, 'kind'>[]): UsageRow[] {
  const rows: { block: BlockId; peer: PeerId; disk: number; content: number }[] = []
  for (const entry of entries) {
    const peer = payerOf(entry)
    let row = rows.at(-1)
    if (row?.block !== entry.block || row.peer !== peer) {
      row = { block: entry.block, peer, disk: 0, content: 0 }
      rows.push(row)
    }
    row.disk += diskOf(entry)
    row.content += entry.content
  }
  return rows
}

/** All rows of a block, when it takes `bytes` more on the disk than before, or less: the same parts of what it takes then. */
export function resized(rows: readonly UsageRow[], bytes: number): UsageRow[] {
  const before = rows.reduce((sum, { disk }) => sum + disk, 0)
  if (before === 0) return [...rows]
  const factor = Math.max(0, before + bytes) / before
  return rows.map((row) => ({ ...row, disk: Math.round(row.disk * factor) }))
}

/** All rows of a block that takes `bytes` less on the disk, because something of it was damaged, and holds `content` now. */
export function setBack(rows: readonly UsageRow[], bytes: number, content: number): UsageRow[] {
  const before = rows.reduce((sum, row) => sum + row.content, 0)
  const factor = before === 0 ? 0 : content / before
  return resized(rows, -bytes).map((row) => ({ ...row, content: Math.round(row.content * factor) }))
}

/** By how much each peer takes up more than before, or less. */
export const difference = (before: readonly UsageRow[], after: readonly UsageRow[]): PeerUsage[] =>
  after.map(({ peer, disk }, index) => ({ peer, disk: disk - (before[index]?.disk ?? 0) }))

/** Over all blocks, by peer id. */
export function totals(rows: readonly UsageRow[]): PeerUsage[] {
  const disk = new Map<PeerId, number>()
  for (const row of rows) disk.set(row.peer, (disk.get(row.peer) ?? 0) + row.disk)
  return [...disk].map(([peer, bytes]) => ({ peer, disk: bytes })).sort((a, b) => (a.peer < b.peer ? -1 : 1))
}
