/**
 * The history of a document for people: groups of changes, newest first. Keeps: a page costs what is in it, whatever the
 * changes hold, beside the order of all changes, which is kept.
 */
import * as Automerge from '@automerge/automerge'
import type { ChangeHash } from '../../../protocol/ids.ts'
import { limits } from '../../../protocol/limits.ts'
import { plainActor } from '../../../protocol/sync/actor.ts'
import type { ViewSteps } from '../view-steps.ts'
import { readNote } from './note.ts'
import { summarise } from './summary.ts'
import type { Engine, Timeline, TimelineEntry } from './timeline.ts'

type Page = NonNullable<ViewSteps['history']['answer']>

/** Hex digits of an actor that tell its owner. */
const ownerDigits = 32
/** An author who pauses for longer begins a new group. */
export const pauseS = 60
/** Of one group, so that a page has more than one. */
const maxGroupChanges = 250
/** Looked into for one page: about half a second on a long text. */
const maxPageChanges = 1_000
const maxPageOps = 40_000

/** Undefined for the actor of the first change of a schema, which is nobody's. */
export const ownerOf = (actor: string): string | undefined => plainActor(actor)?.slice(0, ownerDigits)

/** Groups before a change, or up to the newest one; undefined when the document does not have that change. */
export function historyPage(
  engine: Engine,
  timeline: Timeline,
  { before, limit }: { readonly before: ChangeHash | undefined; readonly limit: number },
): Page | undefined {
  const end = before === undefined ? timeline.entries.length : timeline.indexOf(before)
  if (end < 0) return undefined
  const { groups, next } = grouped(timeline.entries, end, limit)
  const heads = timeline.headsAfter(groups.map(({ to }) => to).reverse()).reverse()
  return {
    groups: groups.map(({ entries }, index) => describe(engine, entries, heads[index] ?? [])),
    more: timeline.entries.slice(0, next).some(({ actor }) => ownerOf(actor) !== undefined),
  }
}

interface Group {
  /** Oldest first. */
  readonly entries: TimelineEntry[]
  /** How many changes there are up to the last of it. */
  readonly to: number
}

function grouped(
  entries: readonly TimelineEntry[],
  end: number,
  limit: number,
): { readonly groups: readonly Group[]; readonly next: number } {
  const groups: Group[] = []
  let changes = 0
  let ops = 0
  let index = end
  for (; index > 0; index--) {
    const entry = entries[index - 1]
    if (entry === undefined || ownerOf(entry.actor) === undefined) continue
    changes += 1
    ops += entry.maxOp - entry.startOp + 1
    // The first one is told whatever it costs: it is one change of an allowed size.
    if (groups.length > 0 && (changes > maxPageChanges || ops > maxPageOps)) break
    const last = groups.at(-1)
    if (last !== undefined && belongs(entry, last)) last.entries.unshift(entry)
    else if (groups.length === limit) break
    else groups.push({ entries: [entry], to: index })
  }
  return { groups, next: index }
}

function belongs(entry: TimelineEntry, { entries }: Group): boolean {
  const [first] = entries
  return (
    first !== undefined &&
    entries.length < maxGroupChanges &&
    ownerOf(first.actor) === ownerOf(entry.actor) &&
    first.message === entry.message &&
    Math.abs(first.timeS - entry.timeS) <= pauseS
  )
}

function describe(engine: Engine, entries: readonly TimelineEntry[], heads: readonly ChangeHash[]): Page['groups'][0] {
  const [first] = entries
  const last = entries.at(-1)
  if (first === undefined || last === undefined) throw new Error('a group without a change')
  const written = entries.flatMap(({ hash }) => engine.getChangeByHash(hash) ?? [])
  const spans = new Map<string, { from: number; to: number }>()
  for (const { actor, seq } of entries) {
    const span = spans.get(actor)
    spans.set(actor, { from: Math.min(span?.from ?? seq, seq), to: Math.max(span?.to ?? seq, seq) })
  }
  return {
    spans: [...spans].map(([actor, span]) => ({ actor: actor as TimelineEntry['actor'], ...span })),
    fromS: first.timeS,
    untilS: last.timeS,
    changes: entries.length,
    ops: entries.reduce((sum, { maxOp, startOp }) => sum + maxOp - startOp + 1, 0),
    bytes: written.reduce((sum, { byteLength }) => sum + byteLength, 0),
    writtenFor: readNote(first.message)?.peer,
    first: first.hash,
    last: last.hash,
    heads: heads.length > limits.maxHeadsNamed ? [] : heads,
    summary: summarise(
      engine,
      written.map((bytes) => Automerge.decodeChange(bytes)),
    ),
  }
}
