/**
 * The lines in which two texts differ, with a few around them. Keeps: the work grows with the texts and with the square of
 * how much differs, and the second has a bound: beyond it what lies between the first and the last difference is shown as
 * replaced.
 */

export interface TextDiff {
  /** Lines that begin with ' ', '-' or '+', in parts that begin with `@@ line N`. */
  readonly text: string
  readonly isCut: boolean
}

const contextLines = 2
/** Differing lines that a way between the texts is looked for with. */
const maxEdits = 400
/** Taken apart: more than can be shown. */
const maxLines = 25_000
const maxLineChars = 200
/** Shown of a long line before what differs. */
const leadChars = 40

interface Step {
  readonly sign: ' ' | '-' | '+'
  readonly line: string
}

export function diffText(before: string, after: string, maxChars: number): TextDiff {
  // What is the same at the beginning and at the end is never taken apart into lines.
  const shorter = Math.min(before.length, after.length)
  let same = 0
  while (same < shorter && before[same] === after[same]) same += 1
  let sameEnd = 0
  while (sameEnd < shorter - same && before[before.length - 1 - sameEnd] === after[after.length - 1 - sameEnd])
    sameEnd += 1
  const start = same === 0 ? 0 : before.lastIndexOf('\n', same - 1) + 1
  const end = endOfLine(before, before.length - sameEnd)
  const first = linesBack(before, start, contextLines)
  const old = before.slice(start, end).split('\n', maxLines)
  const now = after.slice(start, after.length - (before.length - end)).split('\n', maxLines)
  const context = (line: string): Step => ({ sign: ' ', line })
  const lead =
    start === 0
      ? []
      : before
          .slice(first, start - 1)
          .split('\n')
          .map(context)
  const trail = before
    .slice(end + 1, linesOn(before, end + 1, contextLines))
    .split('\n', contextLines)
    .map(context)
  const steps = [...lead, ...way(old, now), ...(end < before.length ? trail : [])]
  const shown = format(steps, countLines(before, first) + 1, maxChars)
  return { ...shown, isCut: shown.isCut || old.length === maxLines || now.length === maxLines }
}

function endOfLine(text: string, from: number): number {
  const at = text.indexOf('\n', from)
  return at < 0 ? text.length : at
}

/** Where the line begins that is so many before the one that begins at `at`. */
function linesBack(text: string, at: number, lines: number): number {
  let from = at
  for (let n = 0; n < lines && from > 0; n++) from = from < 2 ? 0 : text.lastIndexOf('\n', from - 2) + 1
  return from
}

/** Where the last of so many lines ends. */
function linesOn(text: string, at: number, lines: number): number {
  let to = endOfLine(text, at)
  for (let n = 1; n < lines; n++) to = endOfLine(text, to + 1)
  return to
}

function countLines(text: string, until: number): number {
  let lines = 0
  for (let at = text.indexOf('\n'); at >= 0 && at < until; at = text.indexOf('\n', at + 1)) lines += 1
  return lines
}

/** Myers' shortest way from one list of lines to the other; all out and all in when there is no short one. */
function way(old: readonly string[], now: readonly string[]): Step[] {
  const replaced = (): Step[] => [
    ...old.map((line): Step => ({ sign: '-', line })),
    ...now.map((line): Step => ({ sign: '+', line })),
  ]
  if (old.length === 0 || now.length === 0) return replaced()
  const furthest = new Map<number, number>([[1, 0]])
  const traces: Map<number, number>[] = []
  for (let edits = 0; edits <= Math.min(maxEdits, old.length + now.length); edits++) {
    traces.push(new Map(furthest))
    for (let k = -edits; k <= edits; k += 2) {
      let x = isDown(furthest, k, edits) ? (furthest.get(k + 1) ?? 0) : (furthest.get(k - 1) ?? 0) + 1
      while (x < old.length && x - k < now.length && old[x] === now[x - k]) x += 1
      furthest.set(k, x)
      if (x >= old.length && x - k >= now.length) return back(old, now, traces)
    }
  }
  return replaced()
}

const isDown = (furthest: ReadonlyMap<number, number>, k: number, edits: number): boolean =>
  k === -edits || (k !== edits && (furthest.get(k - 1) ?? -1) < (furthest.get(k + 1) ?? -1))

function back(old: readonly string[], now: readonly string[], traces: readonly ReadonlyMap<number, number>[]): Step[] {
  const steps: Step[] = []
  let [x, y] = [old.length, now.length]
  for (let edits = traces.length - 1; edits >= 0; edits--) {
    const furthest = traces[edits] ?? new Map<number, number>()
    const k = x - y
    const isAdded = isDown(furthest, k, edits)
    const fromX = edits === 0 ? 0 : (furthest.get(isAdded ? k + 1 : k - 1) ?? 0)
    const fromY = edits === 0 ? 0 : fromX - (isAdded ? k + 1 : k - 1)
    for (; x > fromX && y > fromY; x--, y--) steps.push({ sign: ' ', line: old[x - 1] ?? '' })
    if (edits === 0) break
    if (isAdded) steps.push({ sign: '+', line: now[fromY] ?? '' })
    else steps.push({ sign: '-', line: old[fromX] ?? '' })
    x = fromX
    y = fromY
  }
  return steps.reverse()
}

/** Parts that are far from each other have a heading each; lines in between are left out. */
function format(steps: readonly Step[], firstLine: number, maxChars: number): TextDiff {
  const isNear = new Uint8Array(steps.length)
  for (const [at, { sign }] of steps.entries()) {
    if (sign !== ' ') isNear.fill(1, Math.max(0, at - contextLines), at + contextLines + 1)
  }
  const lines: string[] = []
  let chars = 0
  let line = firstLine
  let wasNear = false
  for (const [at, step] of steps.entries()) {
    const near = isNear[at] === 1
    if (near) {
      const shown = [...(wasNear ? [] : [`@@ line ${line}`]), step.sign + shorten(steps, at)]
      chars += shown.reduce((sum, { length }) => sum + length + 1, 0)
      if (chars > maxChars) return { text: lines.join('\n'), isCut: true }
      lines.push(...shown)
    }
    wasNear = near
    if (step.sign !== '+') line += 1
  }
  return { text: lines.join('\n'), isCut: false }
}

/** Of a long line the part where it differs from the one that it stands for. */
function shorten(steps: readonly Step[], at: number): string {
  const { sign, line } = steps[at] ?? { sign: ' ', line: '' }
  if (line.length <= maxLineChars) return line.toWellFormed()
  const other = steps[sign === '+' ? at - 1 : at + 1]
  const isPair = other !== undefined && other.sign === (sign === '+' ? '-' : '+') && sign !== ' '
  let same = 0
  if (isPair) while (same < line.length && line[same] === other.line[same]) same += 1
  const from = Math.max(0, same - leadChars)
  const part = line.slice(from, from + maxLineChars).toWellFormed()
  return `${from > 0 ? '…' : ''}${part}${from + maxLineChars < line.length ? '…' : ''}`
}
