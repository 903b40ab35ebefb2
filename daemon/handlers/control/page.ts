/** One page of a list that is ordered by a key: what comes after a key, and whether more follows. */
export function pageOf<Row>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
  { after, limit }: { readonly after: string; readonly limit: number },
): { page: Row[]; more: boolean } {
  const rest = rows.filter((row) => keyOf(row) > after).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  return { page: rest.slice(0, limit), more: rest.length > limit }
}
