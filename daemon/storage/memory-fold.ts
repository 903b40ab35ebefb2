/** Folding rows away, for the memory backend. Keeps: what is in quarantine stays, whatever its position. */
import { MooringError } from '../../protocol/errors.ts'
import type { ActorId } from '../../protocol/ids.ts'
import type { MemoryFindings } from './memory-findings.ts'
import type { BlockId, BlockRow, ChangeRow, FoldableRows, Seq, Snapshot, SnapshotCard } from './storage.ts'

/** The parts of the store that are looked at. */
export interface FoldTables {
  readonly log: readonly ChangeRow[]
  readonly found: Pick<MemoryFindings, 'isQuarantined' | 'verifiedSeq'>
}

export function foldableRows({ log, found }: FoldTables, block: BlockId, until: Seq): readonly ChangeRow[] {
  return log.filter((row) => row.block === block && row.seq <= until && !found.isQuarantined(block, row.hash))
}

export const measure = (rows: readonly ChangeRow[]): FoldableRows => ({
  rows: rows.length,
  bytes: rows.reduce((sum, row) => sum + row.bytes.length, 0),
  lastSeq: rows.at(-1)?.seq ?? 0,
})

/** @throws `wrong-state` */
export function checkFold(
  tables: FoldTables,
  { row, snapshot }: { readonly row: BlockRow; readonly snapshot: Snapshot | undefined },
  until: Seq,
): void {
  if ((snapshot?.seq ?? 0) < until) throw new MooringError('wrong-state', { detail: 'the snapshot does not reach' })
  if (tables.found.verifiedSeq(row.id) < until) throw new MooringError('wrong-state', { detail: 'not verified' })
}

export const cardOf = (tables: FoldTables, { block, seq, changes }: Snapshot): SnapshotCard => ({
  block,
  seq,
  changes,
  isFoldable: foldableRows(tables, block, seq).length > 0,
})

export function firstOfActors(
  rows: readonly ChangeRow[],
  block: BlockId,
  after: Seq,
): Pick<ChangeRow, 'actor' | 'actorSeq'>[] {
  const first = new Map<ActorId, number>()
  for (const row of rows) {
    if (row.block !== block || row.seq <= after) continue
    first.set(row.actor, Math.min(row.actorSeq, first.get(row.actor) ?? row.actorSeq))
  }
  return [...first].map(([actor, actorSeq]) => ({ actor, actorSeq }))
}
