/**
 * Cuts a part of the log into slices for the view worker. Keeps two invariants: a slice never takes long enough to
 * look like a hang, and every slice but the last is as large as allowed, because each one costs a pass over the text.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { ActorId } from '../../protocol/ids.ts'
import { startOpOf } from '../../protocol/sync/change-structure.ts'
import type { BlockId, ChangeRow, LogPage, LogQuery, Seq } from '../storage/storage.ts'
import type { LogSlice } from './view-steps.ts'

/** About 80 ms of work on a long text. */
const maxSliceChanges = 5_000
/** About 5,000 keystrokes; as pasted text, which makes few but large changes, 1.7 s of work and so below the budget. */
const maxSliceBytes = 640 * 1024
/**
 * Half of the budget for the dearest operations that there are, which a few hundred bytes hold thousands of. Otherwise
 * changes that are each allowed would exceed it together, and every one of them would have to be looked at alone.
 */
const maxSliceOps = 200_000
/** About one slice of keystrokes. */
const pageBytes = 1024 * 1024

type ReadLog = (query: LogQuery) => Promise<LogPage>

interface LogRange {
  readonly block: BlockId
  readonly after: Seq
  readonly until: Seq
}

/** The changes of `block` after `after`, up to and including `until`. */
export async function* logSlices(readLog: ReadLog, range: LogRange): AsyncGenerator<LogSlice> {
  for await (const rows of rowSlices(readLog, range)) yield packRows(rows)
}

/** The same, as rows. */
export async function* rowSlices(
  readLog: ReadLog,
  { block, after, until }: LogRange,
): AsyncGenerator<readonly ChangeRow[]> {
  let held: ChangeRow[] = []
  let heldBytes = 0
  let heldOps = 0
  const lastOps = new Map<ActorId, number>()
  for (let from = after; from < until; ) {
    const { rows, damaged, next } = await readLog({ block, after: from, until, maxBytes: pageBytes })
    // A view is never made of a part of the log.
    if (damaged.length > 0) throw new MooringError('block-damaged', { detail: `row ${damaged[0]?.seq}` })
    if (next <= from) throw new MooringError('view-failed', { detail: 'the log page did not move on' })
    for (const row of rows) {
      // Since the last one of the same actor, where the row does not say it: too many, if others wrote meanwhile.
      const ops = opsOf(row) ?? row.maxOp - (lastOps.get(row.actor) ?? row.maxOp - 1)
      lastOps.set(row.actor, row.maxOp)
      const isFull =
        held.length === maxSliceChanges || heldBytes + row.bytes.length > maxSliceBytes || heldOps + ops > maxSliceOps
      if (held.length > 0 && isFull) {
        yield held
        held = []
        heldBytes = 0
        heldOps = 0
      }
      held.push(row)
      heldBytes += row.bytes.length
      heldOps += ops
    }
    from = next
  }
  if (held.length > 0) yield held
}

/** Undefined for a compressed change, and for what no change begins like. */
function opsOf({ bytes, maxOp }: ChangeRow): number | undefined {
  try {
    const startOp = startOpOf(bytes)
    return startOp === undefined ? undefined : Math.max(1, maxOp - startOp + 1)
  } catch {
    return undefined
  }
}

/** Rows may be views of one large page: only their own bytes go to the worker, in a buffer that can be transferred. */
export function packRows(rows: readonly ChangeRow[]): LogSlice {
  const bytes = new Uint8Array(rows.reduce((sum, row) => sum + row.bytes.length, 0))
  const lengths = new Uint32Array(rows.length)
  let at = 0
  for (const [index, row] of rows.entries()) {
    bytes.set(row.bytes, at)
    lengths[index] = row.bytes.length
    at += row.bytes.length
  }
  return { seq: rows.at(-1)?.seq ?? 0, bytes, lengths }
}
