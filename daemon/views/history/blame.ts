/** Which change each part of a text is from. Keeps: it costs what is asked for, beside one pass over the text. */
import type { ChangeHash } from '../../../protocol/ids.ts'
import type { ViewSteps } from '../view-steps.ts'
import { readNote } from './note.ts'
import { ownerOf, pauseS } from './page.ts'
import type { Engine, Timeline, TimelineEntry } from './timeline.ts'

type Answer = ViewSteps['blame']['answer']
interface Span {
  text: string
  from: TimelineEntry | undefined
}

/** Characters of one page: each is looked up by itself, a fraction of a millisecond. */
const maxChars = 10_000
/** With the names of their authors they still fit a frame. */
const maxSpans = 400

/** Undefined where there is no text at the path. */
export function blame(
  engine: Engine,
  timeline: Timeline,
  { path, offset }: { readonly path: readonly string[]; readonly offset: number },
): Answer {
  const object = textAt(engine, path)
  if (object === undefined) return undefined
  const text = engine.text(object)
  const spans: Span[] = []
  let at = Math.min(offset, text.length)
  const end = Math.min(text.length, at + maxChars)
  while (at < end) {
    const character = String.fromCodePoint(text.codePointAt(at) ?? 0)
    const from = timeline.writerOf(engine.getCursor(object, at))
    const last = spans.at(-1)
    if (last !== undefined && belongs(last.from, from)) {
      last.text += character
      last.from = later(last.from, from)
    } else if (spans.length === maxSpans) break
    else spans.push({ text: character, from })
    at += character.length
  }
  return {
    totalChars: text.length,
    spans: spans.map(({ text: part, from }) => ({
      text: part.toWellFormed(),
      ...(from === undefined
        ? {}
        : {
            actor: from.actor,
            change: from.hash as ChangeHash,
            timeS: from.timeS,
            writtenFor: readNote(from.message)?.peer,
          }),
    })),
    next: at,
  }
}

function textAt(engine: Engine, path: readonly string[]): string | undefined {
  let object = '_root'
  let type: string = 'map'
  for (const step of path) {
    const isList = type === 'list'
    if (type === 'text' || (isList && !/^\d{1,7}$/.test(step))) return undefined
    const found = engine.getWithType(object, isList ? Number(step) : step)
    const [kind, id] = found ?? []
    if (typeof id !== 'string' || !['map', 'list', 'text', 'table'].includes(String(kind))) return undefined
    object = id
    type = String(kind)
  }
  return type === 'text' ? object : undefined
}

/** One author within a short time: what was typed in one go is one part. */
function belongs(a: TimelineEntry | undefined, b: TimelineEntry | undefined): boolean {
  if (a === undefined || b === undefined || a === b) return a === b
  return ownerOf(a.actor) === ownerOf(b.actor) && a.message === b.message && Math.abs(a.timeS - b.timeS) <= pauseS
}

const later = (a: TimelineEntry | undefined, b: TimelineEntry | undefined): TimelineEntry | undefined =>
  a === undefined || b === undefined || b.maxOp > a.maxOp ? b : a
