/** Borderless tables: columns two spaces apart, so that they read well and cut well. Cells must be safe text already. */

/** One line for each row under the headings; the last column is not padded. Empty for no rows. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return []
  const widths = headings.map((heading, column) =>
    Math.max(widthOf(heading), ...rows.map((row) => widthOf(row[column] ?? ''))),
  )
  const line = (cells: readonly string[]): string =>
    headings
      .map((_, column) => {
        const cell = cells[column] ?? ''
        return column === headings.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell))
      })
      .join('  ')
      .trimEnd()
  return [line(headings), ...rows.map(line)]
}

/** `label  value` lines, indented by two, labels of one width. */
export function fields(pairs: readonly (readonly [label: string, value: string])[]): string[] {
  const width = Math.max(0, ...pairs.map(([label]) => label.length))
  return pairs.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`.trimEnd())
}

/** Columns on a terminal: letters of the East Asian scripts take two. Safe text has no other wide or empty characters. */
function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += wide.test(character) ? 2 : 1
  return width
}

const wide = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}ー、。「」々]/u
