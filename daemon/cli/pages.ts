/** Reads a list that comes in pages to its end. */
import { MooringError } from '../../protocol/index.ts'

/**
 * @param read asks for the page after a key; '' for the first
 * @throws `malformed` when a page does not get further: it would be asked for again without end
 */
export async function readPages<Row>(
  read: (after: string) => Promise<{ readonly rows: readonly Row[]; readonly more: boolean }>,
  keyOf: (row: Row) => string,
): Promise<Row[]> {
  const all: Row[] = []
  for (let after = ''; ; ) {
    const { rows, more } = await read(after)
    all.push(...rows)
    if (!more) return all
    const last = rows.at(-1)
    if (last === undefined || keyOf(last) <= after)
      throw new MooringError('malformed', { detail: 'the list does not end' })
    after = keyOf(last)
  }
}
