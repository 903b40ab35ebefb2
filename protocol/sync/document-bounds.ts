/**
 * Looks at a stored snapshot before the engine does. Keeps the invariant that what a few kilobytes expand to is known
 * before it is expanded: columns are inflated into a bound, and runs are counted, never spelt out. It says nothing about
 * whether the document is sound; loading it does.
 */
import { hash as digest } from 'node:crypto'
import { inflateRawSync } from 'node:zlib'
import { MooringError } from '../errors.ts'
import { limits } from '../limits.ts'
import { chunkMagic, chunkType } from './change-structure.ts'
import { ByteReader } from './leb128.ts'

/** The lowest three bits of a column's id. */
const columnType = { group: 0, actor: 1, integer: 2, delta: 3, boolean: 4, string: 5, valueMeta: 6, value: 7 } as const
const deflatedBit = 8
const checksumAt = 4
const bodyAt = 8
const hashBytes = 32
/** More than a document of this format has, in all. */
const maxColumns = 64
/** Lists within a row, of which most have one entry: dependencies of changes, and what followed an operation. */
const listColumns: ReadonlySet<number> = new Set([67, 129, 131])
const entriesPerRow = 4

interface Column {
  readonly id: number
  readonly length: number
}

/**
 * @throws `malformed` for what is no single document chunk, `quota-exceeded` for one that expands to more than a block
 *   may have
 */
export function checkDocument(bytes: Uint8Array): void {
  try {
    new DocumentCheck(bytes).run()
  } catch (error) {
    // What is read here is read by the rules of a change, and is none.
    if (error instanceof MooringError && error.code !== 'quota-exceeded') notDocument()
    throw error
  }
}

function notDocument(): never {
  throw new MooringError('malformed', { detail: 'the snapshot is no document' })
}

function tooLarge(what: string): never {
  throw new MooringError('quota-exceeded', { detail: `a snapshot with more than ${what}` })
}

class DocumentCheck {
  readonly #bytes: Uint8Array
  #leftBytes: number = limits.maxSnapshotBytes

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  run(): void {
    const bytes = this.#bytes
    if (bytes.length > limits.maxSnapshotBytes) tooLarge('maxSnapshotBytes')
    for (let at = 0; at < chunkMagic.length; at++) if (bytes[at] !== chunkMagic[at]) notDocument()
    const reader = new ByteReader(bytes, bodyAt)
    if (reader.byte() !== chunkType.document) notDocument()
    const hash = digest('sha256', bytes.subarray(bodyAt), 'buffer').subarray(0, bodyAt - checksumAt)
    if (Buffer.compare(hash, bytes.subarray(checksumAt, bodyAt)) !== 0) notDocument()
    if (reader.unsigned() !== bytes.length - reader.at) notDocument()
    for (let actors = reader.unsigned(); actors > 0; actors--) reader.take(reader.unsigned())
    for (let heads = reader.unsigned(); heads > 0; heads--) reader.take(hashBytes)
    const changes = readTable(reader)
    const ops = readTable(reader)
    for (const column of [...changes, ...ops]) this.#checkColumn(reader, column)
  }

  #checkColumn(reader: ByteReader, { id, length }: Column): void {
    const from = reader.at
    if (length > reader.end - from) notDocument()
    reader.at = from + length
    const isDeflated = (id & deflatedBit) !== 0
    const data = isDeflated ? this.#inflate(this.#bytes.subarray(from, from + length)) : undefined
    const column = data === undefined ? new ByteReader(this.#bytes, from, from + length) : new ByteReader(data)
    const type = id & 7
    // The bytes of values are as many as they are; that they are few enough was seen when they were inflated.
    if (type === columnType.value) return
    // A change without operations counts as one, so that there are no more changes than operations.
    let left = limits.maxOpsPerBlock * (listColumns.has(id & ~deflatedBit) ? entriesPerRow : 1)
    while (!column.done) {
      left -= type === columnType.boolean ? column.unsigned() : passRun(column, type)
      if (left < 0) tooLarge('maxOpsPerBlock')
    }
  }

  #inflate(deflated: Uint8Array): Uint8Array {
    try {
      const data = inflateRawSync(deflated, { maxOutputLength: Math.max(1, this.#leftBytes) })
      this.#leftBytes -= data.byteLength
      return data
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') {
        tooLarge('maxSnapshotBytes')
      }
      return notDocument()
    }
  }
}

function readTable(reader: ByteReader): Column[] {
  const count = reader.unsigned()
  if (count > maxColumns) notDocument()
  return Array.from({ length: count }, () => ({ id: reader.unsigned(), length: reader.unsigned() }))
}

/** Passes over one run. How many rows it stands for. */
function passRun(column: ByteReader, type: number): number {
  const head = column.signed()
  if (head === 0) return column.unsigned()
  for (let values = head > 0 ? 1 : -head; values > 0; values--) {
    if (type === columnType.string) column.take(column.unsigned())
    else if (type === columnType.delta) column.signed()
    else column.unsigned()
  }
  return Math.abs(head)
}
