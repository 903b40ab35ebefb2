/** Rows of the memory backend on their way in and out: copied, so that no caller holds a part of the store. */
import type { ChangeRow, ClockRow, Seq, Snapshot } from './storage.ts'

/** Always a copy: `slice` of a Buffer would be a view of it. */
export const copyBytes = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)

export const copyClock = (row: ClockRow): ClockRow => ({ ...row, signature: copyBytes(row.signature) })

export const copySnapshot = ({ block, seq, changes, heads, bytes }: Snapshot): Snapshot => ({
  block,
  seq,
  changes,
  heads: [...heads],
  bytes: copyBytes(bytes),
})

/** Index of the first row behind a position; `seq` rises through the log. */
export function firstAfter(log: readonly ChangeRow[], after: Seq): number {
  let low = 0
  let high = log.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((log[middle]?.seq ?? 0) > after) high = middle
    else low = middle + 1
  }
  return low
}
