/** An excerpt as it is answered: a bounded text, and where in it the terms are. */

export interface Snippet {
  readonly snippet: string
  /** From where to where each term goes, in characters of the snippet. */
  readonly marks: readonly { readonly from: number; readonly to: number }[]
}

/** Words may be of any length: an excerpt is cut to this around its first term. */
const maxChars = 400
const charsBefore = 100
const maxMarks = 32

export function snippetOf(marked: string, [begin, end]: readonly [begin: string, end: string]): Snippet {
  let text = ''
  const marks: { from: number; to: number }[] = []
  let from = -1
  for (const part of marked.split(new RegExp(`([${begin}${end}])`, 'u'))) {
    if (part === begin) from = text.length
    else if (part === end) {
      if (from >= 0) marks.push({ from, to: text.length })
      from = -1
    } else text += part
  }
  const start = text.length <= maxChars ? 0 : Math.max(0, (marks[0]?.from ?? 0) - charsBefore)
  const snippet = text.slice(start, start + maxChars)
  const inside = marks
    .map((mark) => ({ from: mark.from - start, to: Math.min(mark.to - start, snippet.length) }))
    .filter((mark) => mark.from < mark.to)
  // A character that was cut in half could not be encoded.
  return { snippet: snippet.toWellFormed(), marks: inside.slice(0, maxMarks) }
}
