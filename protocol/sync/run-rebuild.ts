/**
 * Writes the chunks of a run again from their fields. Keeps the invariant that no chunk, and not all of them together,
 * grows beyond the bounds: the size is known before a byte is written.
 */
import { MooringError } from '../errors.ts'
import { limits } from '../limits.ts'
import { chunkMagic, chunkType, readChunkHeader } from './change-structure.ts'
import { checksumAt, digestOf, hashBytes, hashOf, typeAt } from './run-parts.ts'
import { ByteWriter, signedBytes, unsignedBytes } from './run-writer.ts'
import { refuse } from './structure-rules.ts'

/** A column as it is rebuilt: the first run of a counter column, then bytes of the run. */
export interface PackedColumn {
  /** Of the whole column. */
  readonly length: number
  /** 0 when there is no first entry. */
  readonly head: number
  readonly value: number
  readonly from: number
  /** Length of what follows the first entry. */
  readonly rest: number
}

/** Other actors, shared by the changes that name the same. */
export interface Others {
  readonly count: number
  /** Their table without the count. */
  readonly table: Uint8Array
}

export const noOthers: Others = { count: 0, table: new Uint8Array(0) }

/** A change by its fields, as they are found in the packed run. */
export interface PackedChange {
  readonly index: number
  readonly actor: number
  layout: readonly number[]
  /** A change of this run by its index; another one by where its hash is in the run: `-1 - place`. */
  deps: readonly number[]
  seq: number
  startOp: number
  time: number
  others: Others
  messageFrom: number
  messageBytes: number
  readonly columns: PackedColumn[]
}

/** @throws `malformed` */
export function damaged(): never {
  throw new MooringError('malformed', { detail: 'the run of changes is damaged' })
}

export class RunRebuilder {
  readonly #packed: Uint8Array
  readonly #actors: readonly Uint8Array[]
  readonly #writer: ByteWriter
  /** Per change; undefined for compressed ones, which nothing can refer to. */
  readonly #hashes: (string | undefined)[] = []
  readonly #ends: number[] = []

  constructor(packed: Uint8Array, actors: readonly Uint8Array[]) {
    this.#packed = packed
    this.#actors = actors
    this.#writer = new ByteWriter(packed.length * 4, limits.maxExpandedBytes)
  }

  /** Adds a chunk that travelled whole. */
  copy(chunk: Uint8Array): void {
    if (readChunkHeader(chunk, 0).end !== chunk.length) damaged()
    this.#reserve(chunk.length)
    this.#writer.copy(chunk)
    this.#end(hashOf(chunk))
  }

  rebuild(change: PackedChange): void {
    const actor = this.#actors[change.actor] ?? damaged()
    const { layout, deps, seq, startOp, time, others, messageFrom, messageBytes, columns } = change
    let length =
      unsignedBytes(deps.length) +
      deps.length * hashBytes +
      unsignedBytes(actor.length) +
      actor.length +
      unsignedBytes(seq) +
      unsignedBytes(startOp) +
      signedBytes(time) +
      unsignedBytes(messageBytes) +
      messageBytes +
      unsignedBytes(others.count) +
      others.table.length +
      unsignedBytes(columns.length)
    for (let n = 0; n < columns.length; n++) {
      const bytes = columns[n]?.length ?? 0
      length += unsignedBytes(layout[n] ?? 0) + unsignedBytes(bytes) + bytes
    }
    this.#reserve(typeAt + 1 + unsignedBytes(length) + length)

    const writer = this.#writer
    const from = writer.length
    writer.copy(chunkMagic)
    writer.latin1('\0\0\0\0')
    writer.byte(chunkType.change)
    writer.unsigned(length)
    writer.unsigned(deps.length)
    for (const dep of deps) {
      if (dep < 0) writer.copy(this.#packed, -1 - dep, -1 - dep + hashBytes)
      else writer.latin1(this.#hashes[dep] ?? damaged())
    }
    writer.unsigned(actor.length)
    writer.copy(actor)
    writer.unsigned(seq)
    writer.unsigned(startOp)
    writer.signed(time)
    writer.unsigned(messageBytes)
    writer.copy(this.#packed, messageFrom, messageFrom + messageBytes)
    writer.unsigned(others.count)
    writer.copy(others.table)
    writer.unsigned(columns.length)
    for (let n = 0; n < columns.length; n++) {
      writer.unsigned(layout[n] ?? 0)
      writer.unsigned(columns[n]?.length ?? 0)
    }
    for (const { head, value, from, rest } of columns) {
      if (head !== 0) {
        writer.signed(head)
        writer.signed(value)
      }
      writer.copy(this.#packed, from, from + rest)
    }
    const hash = digestOf(writer.view(from + typeAt))
    writer.patch(from + checksumAt, hash.slice(0, typeAt - checksumAt))
    this.#end(hash)
  }

  finish(): { chunks: Uint8Array[]; joined: Uint8Array } {
    const joined = this.#writer.finish()
    return { joined, chunks: this.#ends.map((end, index) => joined.subarray(this.#ends[index - 1] ?? 0, end)) }
  }

  #reserve(bytes: number): void {
    if (bytes > limits.maxChangeBytes) refuse('change-bytes')
    if (this.#writer.length + bytes > limits.maxExpandedBytes) refuse('run-bytes')
  }

  #end(hash: string | undefined): void {
    this.#hashes.push(hash)
    this.#ends.push(this.#writer.length)
  }
}
