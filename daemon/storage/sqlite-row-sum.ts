/**
 * Checksums of the rows that say what holds: blocks, clocks, grants and the like. Keeps: a bit that turned in any column is
 * found when the row is read. 32 bits find every turned bit and every burst that a row of this size can have, and cost
 * nothing beside a commit; rows with content of others have longer ones (`sqlite-sum.ts`).
 */
import { crc32 } from 'node:zlib'
import type Database from 'better-sqlite3'

/** What is covered, by table, in this order. Columns are only ever added together with a migration that sums anew. */
const covered = {
  epoch: ['n', 'id', 'start_seq'],
  peer: ['peer', 'name', 'state', 'grant_version', 'asked', 'manifest', 'decided_at_ms', 'grants'],
  request: [
    'n',
    'code',
    'digest',
    'peer',
    'manifest',
    'wants',
    'nonce',
    'from_address',
    'state',
    'created_at_ms',
    'expires_at_ms',
  ],
  invite: ['hash', 'grants', 'name', 'expires_at_ms', 'claimed_by'],
  replica: ['id', 'peer', 'replica'],
  block: [
    'id',
    'address',
    'scope',
    'label',
    'generation',
    'schema',
    'meta',
    'owner',
    'created_at_ms',
    'created_seq',
    'meta_seq',
    'visible_seq',
    'deleted_seq',
    'max_op',
    'ops',
    'gaps',
    'changes',
    'heads',
    'horizon_seq',
    'meta_at_ms',
  ],
  event: ['seq', 'block', 'kind', 'origin', 'data'],
  clock: ['block', 'actor', 'seq', 'hash', 'max_op', 'signature'],
  object: ['block', 'id', 'type', 'depth'],
  verified: ['block', 'seq'],
  quarantine: ['block', 'hash', 'seq', 'event_seq', 'actor', 'actor_seq', 'peer', 'cause', 'reason', 'at_ms'],
  lost: ['block', 'actor', 'from_seq', 'to_seq', 'hash', 'at_ms'],
  suspension: ['peer', 'reason', 'at_ms'],
  usage: ['block', 'peer', 'disk', 'content'],
  archive: ['n', 'id', 'scope', 'owner', 'created_at_ms', 'disk', 'metadata', 'text'],
} as const

export type SummedTable = keyof typeof covered

/** A row by its columns; of a peer, `grants` is what {@link grantsText} makes of its grants. */
export type Columns<Table extends SummedTable> = Readonly<Record<(typeof covered)[Table][number], Cell>>

type Cell = number | string | Uint8Array | null

/** All grants of a peer as one value: a grant that is missing is as bad as one that was altered. */
export const grantsText = (grants: readonly string[]): string => grants.join('\n')

export const rowSum = <Table extends SummedTable>(table: Table, row: Columns<Table>): number =>
  sumOf(
    table,
    covered[table].map((column) => (row as Readonly<Record<string, Cell>>)[column] ?? null),
  )

/** The row with its checksum, as a statement with named parameters takes it. */
export const sealed = <Table extends SummedTable>(
  table: Table,
  row: Columns<Table>,
): Columns<Table> & { sum: number } => ({
  ...row,
  sum: rowSum(table, row),
})

export const isSound = <Table extends SummedTable>(
  table: Table,
  row: Columns<Table> & { readonly sum: Cell },
): boolean => row.sum === rowSum(table, row)

/** Lets a migration sum rows that were written before there were checksums: `row_sum('table', column, …)`. */
export function defineRowSum(db: Database.Database): void {
  db.function('row_sum', { deterministic: true, varargs: true }, (table: unknown, ...cells: unknown[]) =>
    sumOf(String(table), cells as Cell[]),
  )
}

let scratch = Buffer.alloc(4 * 1024)

/** Each value with its kind and its length, so that no two rows are the same bytes. */
function sumOf(table: string, cells: readonly Cell[]): number {
  const size = cells.reduce<number>((sum, cell) => sum + 9 + sizeOf(cell), 4 + 3 * table.length)
  if (size > scratch.length) scratch = Buffer.alloc(size)
  let at = scratch.write(table, 0)
  for (const cell of cells) {
    if (cell === null) at = scratch.writeUInt8(0, at)
    else if (typeof cell === 'number') at = scratch.writeDoubleLE(cell, scratch.writeUInt8(1, at))
    else at = writeBytes(cell, at)
  }
  return crc32(scratch.subarray(0, at))
}

function writeBytes(cell: string | Uint8Array, at: number): number {
  const body = at + 5
  const isText = typeof cell === 'string'
  if (!isText) scratch.set(cell, body)
  const length = isText ? scratch.write(cell, body) : cell.length
  scratch.writeUInt32LE(length, scratch.writeUInt8(isText ? 2 : 3, at))
  return body + length
}

function sizeOf(cell: Cell): number {
  if (typeof cell === 'string') return 3 * cell.length
  return cell instanceof Uint8Array ? cell.length : 0
}
