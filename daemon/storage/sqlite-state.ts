/**
 * What has to be known of a block to take changes in, on its way to the main thread: it may be hundreds of thousands of
 * rows, and an object for each would hold up everything else there. Keeps: it crosses as a few buffers and texts, and is
 * taken apart a little at a time.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ActorId } from '../../protocol/ids.ts'
import { unpackHashes } from './sqlite-pack.ts'
import type { ClockColumns, ObjectColumns } from './sqlite-rows.ts'
import type { BlockRow, BlockState, ClockRow, ObjectRow, ObjectType } from './storage.ts'

/** Changes with their highest operation counters: 32 bytes of hash and one number each. */
export interface PackedKnown {
  readonly hashes: Uint8Array<ArrayBuffer>
  readonly maxOps: Float64Array<ArrayBuffer>
}

export interface PackedState {
  readonly row: BlockRow
  readonly content: number
  readonly known: PackedKnown
  readonly clock: PackedKnown & {
    /** In hex, each followed by a separator. */
    readonly actors: string
    readonly seqs: Float64Array<ArrayBuffer>
    readonly signatures: Uint8Array<ArrayBuffer>
    readonly signatureLengths: Uint8Array<ArrayBuffer>
  }
  readonly objects: {
    /** Each followed by a separator. */
    readonly ids: string
    readonly types: Uint8Array<ArrayBuffer>
    readonly depths: Float64Array<ArrayBuffer>
  }
}

const separator = '\n'
const objectTypes: readonly ObjectType[] = ['map', 'list', 'text', 'table']

export function packState(
  row: BlockRow,
  content: number,
  rows: {
    readonly clock: readonly ClockColumns[]
    readonly objects: readonly ObjectColumns[]
    readonly known: PackedKnown
  },
): PackedState {
  const { clock, objects, known } = rows
  return {
    row,
    content,
    known,
    clock: {
      actors: clock.map(({ actor }) => actor.toString('hex') + separator).join(''),
      hashes: joined(clock.map(({ hash }) => hash)),
      maxOps: Float64Array.from(clock, ({ max_op }) => max_op),
      seqs: Float64Array.from(clock, ({ seq }) => seq),
      signatures: joined(clock.map(({ signature }) => signature)),
      signatureLengths: Uint8Array.from(clock, ({ signature }) => signature.length),
    },
    objects: {
      ids: objects.map(({ id }) => id + separator).join(''),
      types: Uint8Array.from(objects, ({ type }) => objectTypes.indexOf(type as ObjectType)),
      depths: Float64Array.from(objects, ({ depth }) => depth),
    },
  }
}

/** Rows that are taken apart in one turn: some milliseconds at most. */
const rowsPerTurn = 2_000

export async function unpackState({ row, content, known, clock, objects }: PackedState): Promise<BlockState> {
  const inTurns = async <Row>(count: number, part: (from: number, until: number) => Row[]): Promise<Row[]> => {
    const rows: Row[] = []
    for (let from = 0; from < count; from += rowsPerTurn) {
      if (from > 0) await nextTurn()
      for (const each of part(from, Math.min(count, from + rowsPerTurn))) rows.push(each)
    }
    return rows
  }
  const hashesOf = ({ hashes }: PackedKnown, from: number, until: number) =>
    unpackHashes(hashes.subarray(from * 32, until * 32))
  const actors = texts(clock.actors)
  let signatureAt = 0
  const clockPart = (from: number, until: number): ClockRow[] =>
    hashesOf(clock, from, until).map((hash, index) => {
      const at = from + index
      const begin = signatureAt
      signatureAt += clock.signatureLengths[at] ?? 0
      const signature = clock.signatures.subarray(begin, signatureAt)
      return { actor: actors() as ActorId, seq: clock.seqs[at] ?? 0, hash, maxOp: clock.maxOps[at] ?? 0, signature }
    })
  const ids = texts(objects.ids)
  const objectPart = (from: number, until: number): ObjectRow[] =>
    Array.from({ length: until - from }, (_, index) => ({
      id: ids(),
      type: objectTypes[objects.types[from + index] ?? 0] ?? 'map',
      depth: objects.depths[from + index] ?? 0,
    }))
  return {
    row,
    content,
    clock: await inTurns(clock.seqs.length, clockPart),
    objects: await inTurns(objects.depths.length, objectPart),
    known: await inTurns(known.maxOps.length, (from, until) =>
      hashesOf(known, from, until).map((hash, index) => ({ hash, maxOp: known.maxOps[from + index] ?? 0 })),
    ),
  }
}

/** Gives one text after another. */
function texts(all: string): () => string {
  let at = 0
  return () => {
    const end = all.indexOf(separator, at)
    const text = all.slice(at, end)
    at = end + 1
    return text
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
