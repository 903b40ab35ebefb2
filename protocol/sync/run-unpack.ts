/**
 * Rebuilds the chunks of a run that `packRun` wrote. Keeps two invariants: what is read costs no more than its bytes,
 * and every reference is to something that came before it.
 */
import { limits } from '../limits.ts'
import { ByteReader } from './leb128.ts'
import { counterColumns, hashBytes, isActorLength, runBounds } from './run-parts.ts'
import { Ancestry, CounterPrediction, Succession } from './run-predict.ts'
import { damaged, noOthers, type Others, type PackedChange, RunRebuilder } from './run-rebuild.ts'
import { signedBytes } from './run-writer.ts'
import { refuse } from './structure-rules.ts'

/**
 * @returns the chunks, as views of `joined`, which holds nothing else
 * @throws `malformed`, `bad-change` when the bytes are no run; `change-too-large` above maxChangesPerFrame,
 *   maxChangeBytes or maxExpandedBytes
 */
export function unpackRun(packed: Uint8Array): { chunks: Uint8Array[]; joined: Uint8Array } {
  const reader = new ByteReader(packed)
  const count = reader.unsigned()
  if (count > limits.maxChangesPerFrame) refuse('run-changes')
  const actors = readActors(reader)
  const layouts = readLayouts(reader)
  const kinds = Array.from({ length: count }, () => atMost(reader.unsigned(), actors.length))
  const changes: PackedChange[] = []
  for (const [index, kind] of kinds.entries()) if (kind > 0) changes.push(emptyChange(index, kind - 1))

  for (const change of changes) change.layout = layouts[reader.unsigned()] ?? damaged()
  readDeps(reader, changes)
  readNumbers(reader, changes)
  readOthers(reader, changes, actors)
  for (const change of changes) {
    change.messageBytes = reader.unsigned()
    change.messageFrom = skip(reader, change.messageBytes)
  }
  readColumns(reader, changes, layouts)

  const rebuilder = new RunRebuilder(packed, actors)
  let next = 0
  for (const kind of kinds) {
    const change = kind === 0 ? undefined : changes[next++]
    if (change === undefined) rebuilder.copy(reader.take(reader.unsigned()))
    else rebuilder.rebuild(change)
  }
  if (!reader.done) damaged()
  return rebuilder.finish()
}

const emptyChange = (index: number, actor: number): PackedChange => ({
  index,
  actor,
  layout: [],
  deps: [],
  seq: 0,
  startOp: 0,
  time: 0,
  others: noOthers,
  messageFrom: 0,
  messageBytes: 0,
  columns: [],
})

const atMost = (value: number, max: number): number => (value <= max ? value : damaged())

/** Where the bytes passed over begin. */
function skip(reader: ByteReader, bytes: number): number {
  const from = reader.at
  if (bytes > reader.end - from) damaged()
  reader.at = from + bytes
  return from
}

function readActors(reader: ByteReader): Uint8Array[] {
  const count = atMost(reader.unsigned(), runBounds.maxActors)
  return Array.from({ length: count }, () => {
    const length = reader.unsigned()
    return isActorLength(length) ? reader.take(length) : damaged()
  })
}

function readLayouts(reader: ByteReader): number[][] {
  const count = atMost(reader.unsigned(), runBounds.maxLayouts)
  return Array.from({ length: count }, () => {
    const layout = Array.from({ length: atMost(reader.unsigned(), runBounds.maxColumns) }, () => reader.unsigned())
    for (let n = 1; n < layout.length; n++) if ((layout[n] ?? 0) <= (layout[n - 1] ?? 0)) damaged()
    return layout
  })
}

function readDeps(reader: ByteReader, changes: readonly PackedChange[]): void {
  const ancestry = new Ancestry()
  for (const change of changes) {
    const expected = ancestry.expected(change.index, change.actor)
    const code = reader.unsigned()
    if (code === 0) {
      change.deps = [expected >= 0 ? expected : damaged()]
      continue
    }
    const count = atMost(code - 1, limits.maxDeps)
    change.deps = Array.from({ length: count }, () => {
      const back = atMost(reader.unsigned(), change.index)
      return back === 0 ? -1 - skip(reader, hashBytes) : change.index - back
    })
  }
}

function readNumbers(reader: ByteReader, changes: readonly PackedChange[]): void {
  const seqs = new Succession(1)
  for (const change of changes) change.seq = atLeastZero(seqs.value(change.actor, reader.signed()))
  const startOps = new Succession(1)
  for (const change of changes) change.startOp = atLeastZero(startOps.value(change.actor, reader.signed()))
  const times = new Succession(0)
  for (const change of changes) change.time = exact(times.value(0, reader.signed()))
}

const exact = (value: number): number => (Number.isSafeInteger(value) ? value : damaged())
const atLeastZero = (value: number): number => (value >= 0 ? exact(value) : damaged())

function readOthers(reader: ByteReader, changes: readonly PackedChange[], actors: readonly Uint8Array[]): void {
  let others = noOthers
  let bytes = 0
  for (const change of changes) {
    const code = reader.unsigned()
    if (code > 0) {
      const named: Uint8Array[] = []
      for (let left = atMost(code - 1, limits.maxActorsPerChange); left > 0; left--) {
        const actor = actors[reader.unsigned()] ?? damaged()
        named.push(actor)
        bytes += actor.length + 1
        // Each list is part of at least one chunk, so together they are within the bound on all chunks.
        if (bytes > limits.maxExpandedBytes) refuse('run-bytes')
      }
      others = othersOf(named)
    }
    change.others = others
  }
}

function othersOf(actors: readonly Uint8Array[]): Others {
  // The length of an id is one byte: ids are bounded well below 128.
  const table = new Uint8Array(actors.reduce((sum, actor) => sum + 1 + actor.length, 0))
  let at = 0
  for (const actor of actors) {
    table[at++] = actor.length
    table.set(actor, at)
    at += actor.length
  }
  return { count: actors.length, table }
}

function readColumns(
  reader: ByteReader,
  changes: readonly PackedChange[],
  layouts: readonly (readonly number[])[],
): void {
  const ids = [...new Set(layouts.flat())].sort((a, b) => a - b)
  if (ids.length > runBounds.maxColumns) damaged()
  for (const id of ids) {
    const layoutsHaving = new Set(layouts.filter((layout) => layout.includes(id)))
    const having = changes.filter(({ layout }) => layoutsHaving.has(layout))
    const lengths = having.map(() => reader.unsigned())
    const isCounter = id === counterColumns.key || id === counterColumns.pred
    const counters = new CounterPrediction()
    for (const [n, change] of having.entries()) {
      const length = lengths[n] ?? 0
      const from = reader.at
      const head = isCounter && length > 0 ? reader.signed() : 0
      if (head === 0) {
        reader.at = from
        change.columns.push({ length, head, value: 0, rest: length, from: skip(reader, length) })
        continue
      }
      const key = id === counterColumns.pred ? change.columns[change.layout.indexOf(counterColumns.key)] : undefined
      const near = key === undefined || key.head === 0 ? change.startOp : key.value
      const value = exact(counters.value(reader.signed(), near))
      const rest = length - signedBytes(head) - signedBytes(value)
      if (rest < 0) damaged()
      change.columns.push({ length, head, value, rest, from: skip(reader, rest) })
    }
  }
}
