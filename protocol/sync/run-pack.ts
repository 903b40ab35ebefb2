/**
 * Writes a run field by field: one field of all its changes, then the next, each as the difference to what the changes
 * before lead to expect. Keeps the invariant that whatever whole chunks are given come back byte for byte: a change
 * that cannot be rebuilt from its fields travels whole.
 *
 * The order is that of `unpackRun`, and is the format:
 *
 *     count · actors · layouts · kinds · per field of the changes that are not whole: layout, deps, seq, startOp, time,
 *     other actors, message · per column, by id: lengths, contents · the whole chunks
 */
import { limits } from '../limits.ts'
import { type ChangeParts, counterColumns, hashBytes, hasLatin1At } from './run-parts.ts'
import { RunPlan } from './run-plan.ts'
import { Ancestry, CounterPrediction, Succession } from './run-predict.ts'
import { ByteWriter } from './run-writer.ts'

/**
 * @param chunks within the bounds on a frame
 * @returns undefined when one of them is not a whole chunk
 */
export function packRun(chunks: readonly Uint8Array[]): Uint8Array | undefined {
  const plan = new RunPlan(chunks)
  if (!plan.isSound) return undefined
  // Chunks that travel whole have a length more than they had; nothing else grows.
  const writer = new ByteWriter(chunks.length * 48, limits.maxExpandedBytes * 2)
  writer.unsigned(chunks.length)
  writer.unsigned(plan.actors.length)
  for (const actor of plan.actors) {
    writer.unsigned(actor.length)
    writer.copy(actor)
  }
  writer.unsigned(plan.layouts.length)
  for (const layout of plan.layouts) {
    writer.unsigned(layout.length)
    for (const id of layout) writer.unsigned(id)
  }
  for (const kind of plan.kinds) writer.unsigned(kind)
  for (const { layout } of plan.entries) writer.unsigned(layout)
  writeDeps(writer, plan)
  writeNumbers(writer, plan)
  writeOthers(writer, plan)
  for (const { chunk, parts } of plan.entries) {
    writer.unsigned(parts.messageTo - parts.messageFrom)
    writer.copy(chunk, parts.messageFrom, parts.messageTo)
  }
  writeColumns(writer, plan)
  for (const whole of plan.whole) {
    writer.unsigned(whole.length)
    writer.copy(whole)
  }
  return writer.finish()
}

/**
 * 0: the one expected change of this run. Else one more than their number, and per dependency how many changes back it
 * is, or 0 and its hash.
 */
function writeDeps(writer: ByteWriter, plan: RunPlan): void {
  const ancestry = new Ancestry()
  for (const { index, chunk, parts, actor } of plan.entries) {
    const expected = plan.hashes[ancestry.expected(index, actor)]
    if (parts.deps === 1 && expected !== undefined && hasLatin1At(chunk, parts.depsFrom, expected)) {
      writer.unsigned(0)
      continue
    }
    writer.unsigned(parts.deps + 1)
    for (let n = 0; n < parts.deps; n++) {
      const from = parts.depsFrom + n * hashBytes
      const found = plan.find(index, chunk, from)
      writer.unsigned(found === undefined ? 0 : index - found)
      if (found === undefined) writer.copy(chunk, from, from + hashBytes)
    }
  }
}

function writeNumbers(writer: ByteWriter, plan: RunPlan): void {
  const seqs = new Succession(1)
  for (const { parts, actor } of plan.entries) writer.signed(seqs.difference(actor, parts.seq))
  const startOps = new Succession(1)
  for (const { parts, actor } of plan.entries) writer.signed(startOps.difference(actor, parts.startOp))
  const times = new Succession(0)
  for (const { parts } of plan.entries) writer.signed(times.difference(0, parts.time))
}

/** 0: those of the change before. Else one more than their number, and their indexes. */
function writeOthers(writer: ByteWriter, plan: RunPlan): void {
  for (const { others } of plan.entries) {
    writer.unsigned(others === undefined ? 0 : others.length + 1)
    for (const actor of others ?? []) writer.unsigned(actor)
  }
}

function writeColumns(writer: ByteWriter, { entries, layouts, columnIds }: RunPlan): void {
  for (const id of [...columnIds].sort((a, b) => a - b)) {
    const positions = layouts.map((layout) => layout.indexOf(id))
    for (const { parts, layout } of entries) {
      const column = parts.columns[positions[layout] as number]
      if (column !== undefined) writer.unsigned(column.length)
    }
    const counters = new CounterPrediction()
    for (const { chunk, parts, layout } of entries) {
      const column = parts.columns[positions[layout] as number]
      if (column === undefined) continue
      let from = column.from
      if (column.first !== undefined) {
        writer.signed(column.first.head)
        writer.signed(counters.difference(column.first.value, nearOf(id, parts)))
        from = column.first.rest
      }
      writer.copy(chunk, from, column.from + column.length)
    }
  }
}

/** What a counter column of this change is likely to refer to. */
function nearOf(id: number, parts: ChangeParts): number {
  const key = id === counterColumns.pred ? parts.columns.find((column) => column.id === counterColumns.key) : undefined
  return key?.first?.value ?? parts.startOp
}
