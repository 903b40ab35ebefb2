/** What a page of the log says of its authors. Keeps: it costs what is on the page, however many authors a block has had. */
import type { BlockId, ClockRow, LogClockRow } from './storage.ts'

/** Of each author of the rows, once, what the clock of the block has. */
export function clockOfRows<Actor extends string | Uint8Array>(
  rows: Iterable<{ readonly block: BlockId; readonly actor: Actor }>,
  clockOf: (block: BlockId, actor: Actor) => ClockRow | undefined,
): LogClockRow[] {
  const clock: LogClockRow[] = []
  const known = new Set<string>()
  for (const { block, actor } of rows) {
    const key = `${block} ${typeof actor === 'string' ? actor : Buffer.from(actor).toString('hex')}`
    if (known.has(key)) continue
    known.add(key)
    const row = clockOf(block, actor)
    if (row !== undefined) clock.push({ block, ...row })
  }
  return clock
}
