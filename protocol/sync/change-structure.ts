/**
 * Checks one Automerge change without Automerge and tells what is in it. Keeps the invariant that a change passes only
 * if Automerge's own encoder could have written it: such a change applies, loads again, and costs what its counted
 * operations cost. Everything else is refused here, in microseconds, before it is stored or sent on.
 */
import { hash as digest } from 'node:crypto'
import { inflateRawSync } from 'node:zlib'
import type { ActorId, ChangeHash } from '../ids.ts'
import { limits } from '../limits.ts'
import { type Meter, newMeter } from './columns.ts'
import { ByteReader } from './leb128.ts'
import { readOpColumns } from './op-columns.ts'
import { checkOps, type MadeObject, type NamedOperation, type TouchedObject } from './ops.ts'
import { refuse } from './structure-rules.ts'

export type { Meter } from './columns.ts'
export {
  type KeyKind,
  keyKindOf,
  type MadeObject,
  type NamedOperation,
  type ObjectType,
  type TouchedObject,
} from './ops.ts'
export { type StructureRule, structureRules } from './structure-rules.ts'

export const chunkMagic = Uint8Array.of(0x85, 0x6f, 0x4a, 0x83)
export const chunkType = { document: 0, change: 1, compressedChange: 2 } as const

const checksumAt = 4
const typeAt = 8
const hashBytes = 32
/** 24 bytes of ours, and room for the prefixes that Automerge puts before an actor that edits an older version. */
const maxActorBytes = 64

/** What a structurally sound change says, without its contents. */
export interface ChangeFacts {
  readonly hash: ChangeHash
  readonly actor: ActorId
  readonly seq: number
  readonly startOp: number
  /** Counter of the last operation; `startOp − 1` when there is none. */
  readonly maxOp: number
  /** Number of operations. */
  readonly ops: number
  /** What the author's clock said, in seconds; never to be relied on. */
  readonly time: number
  /** Ascending. */
  readonly deps: readonly ChangeHash[]
  /** Other actors that operations refer to, ascending. */
  readonly actors: readonly ActorId[]
  /** Length of the chunk as it came. */
  readonly bytes: number
  /** The uncompressed form of the chunk: the one Automerge hands out again. The chunk itself unless it was compressed. */
  readonly expanded: Uint8Array
  readonly made: readonly MadeObject[]
  /** Objects of earlier changes that this one writes to, each once, without the root. */
  readonly touched: readonly TouchedObject[]
  /** The newest operation of each actor, of earlier changes, that this one names. */
  readonly named: readonly NamedOperation[]
}

/**
 * Reads exactly one change chunk, plain or compressed.
 *
 * @param meter counts the rows and bytes that were expanded, also when the change is refused
 * @throws `bad-change` or `change-too-large`; the detail begins with the id of the rule
 */
export function readChange(chunk: Uint8Array, meter: Meter = newMeter()): ChangeFacts {
  if (chunk.length > limits.maxChangeBytes) refuse('change-bytes')
  const { expanded, body, hash } = openChunk(chunk, meter)
  const reader = new ByteReader(expanded, body)

  const deps = readDeps(reader)
  const actor = readActor(reader)
  const seq = reader.unsigned()
  const startOp = reader.unsigned()
  if (seq < 1 || startOp < 1) refuse('first-number')
  if (seq > limits.maxOpCounter) refuse('op-counter')
  if (seq > 1 && deps.length === 0) refuse('dep-missing')
  const time = readTime(reader)
  reader.text() // the message: only its form matters here
  const actors = readActors(reader, actor)
  const columns = readOpColumns(reader, meter)
  const maxOp = startOp + columns.count - 1
  if (maxOp > limits.maxOpCounter) refuse('op-counter')
  const { made, touched, named } = checkOps(columns, { startOp, actors: [actor, ...actors] })
  return {
    hash: hash as ChangeHash,
    actor,
    seq,
    startOp,
    maxOp,
    ops: columns.count,
    time,
    deps,
    actors,
    bytes: chunk.length,
    expanded,
    made,
    touched,
    named,
  }
}

interface OpenChunk {
  readonly expanded: Uint8Array
  /** Where the contents begin in `expanded`. */
  readonly body: number
  readonly hash: string
}

/** Header, inflation and checksum. The hash covers type, length and contents of the uncompressed form. */
function openChunk(chunk: Uint8Array, meter: Meter): OpenChunk {
  const header = readChunkHeader(chunk, 0)
  if (header.end !== chunk.length) refuse('trailing-bytes')
  const isCompressed = header.type === chunkType.compressedChange
  // Before it is inflated, which may fail at the very end.
  meter.bytes += isCompressed ? limits.maxExpandedBytes : chunk.length
  const expanded = isCompressed ? expand(chunk, header.body) : chunk
  if (isCompressed) meter.bytes -= limits.maxExpandedBytes - expanded.length
  const body = expanded === chunk ? header.body : readChunkHeader(expanded, 0).body
  const hash = digest('sha256', expanded.subarray(typeAt), 'hex')
  if (!hash.startsWith(hexOf(chunk, checksumAt, typeAt))) refuse('checksum')
  return { expanded, body, hash }
}

/** Counter of the first operation of a plain change; undefined for a compressed one. @throws `bad-change` */
export function startOpOf(chunk: Uint8Array): number | undefined {
  const { body, type } = readChunkHeader(chunk, 0)
  if (type !== chunkType.change) return undefined
  const reader = new ByteReader(chunk, body)
  reader.take(reader.unsigned() * hashBytes)
  reader.take(reader.unsigned())
  reader.unsigned()
  return reader.unsigned()
}

/** Where the parts of the chunk that begins at `from` are; its contents are not looked at. */
export function readChunkHeader(bytes: Uint8Array, from: number): { type: number; body: number; end: number } {
  if (bytes.length - from < typeAt + 2) refuse('truncated')
  for (let at = 0; at < chunkMagic.length; at++) if (bytes[from + at] !== chunkMagic[at]) refuse('magic')
  const reader = new ByteReader(bytes, from + typeAt)
  const type = reader.byte()
  if (type !== chunkType.change && type !== chunkType.compressedChange) refuse('chunk-type')
  const length = reader.unsigned()
  if (length > bytes.length - reader.at) refuse('truncated')
  return { type, body: reader.at, end: reader.at + length }
}

/** The uncompressed form of a compressed change, with the same checksum. */
function expand(chunk: Uint8Array, body: number): Uint8Array {
  const contents = inflate(chunk.subarray(body))
  const length: number[] = []
  let rest = contents.length
  do {
    const low = rest % 0x80
    rest = Math.floor(rest / 0x80)
    length.push(rest > 0 ? low + 0x80 : low)
  } while (rest > 0)
  const expanded = new Uint8Array(typeAt + 1 + length.length + contents.length)
  expanded.set(chunk.subarray(0, typeAt))
  expanded[typeAt] = chunkType.change
  expanded.set(length, typeAt + 1)
  expanded.set(contents, typeAt + 1 + length.length)
  return expanded
}

function inflate(deflated: Uint8Array): Uint8Array {
  let result: { buffer: Uint8Array; engine: { bytesWritten: number } }
  try {
    // With `info`, zlib returns the engine as well, which knows how much of the input belonged to the stream.
    result = inflateRawSync(deflated, {
      maxOutputLength: limits.maxExpandedBytes,
      info: true,
    }) as unknown as typeof result
  } catch (error) {
    return refuse(isTooLarge(error) ? 'expanded-bytes' : 'deflate')
  }
  if (result.engine.bytesWritten !== deflated.length) refuse('trailing-bytes')
  return result.buffer
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'

function hexOf(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('hex')
}

function readDeps(reader: ByteReader): ChangeHash[] {
  const size = reader.unsigned()
  if (size > limits.maxDeps) refuse('dep-count')
  const deps: ChangeHash[] = []
  let before = ''
  for (let n = 0; n < size; n++) {
    const dep = hexOf(reader.bytes, reader.skip(hashBytes), reader.at)
    if (dep <= before) refuse('dep-order')
    before = dep
    deps.push(dep as ChangeHash)
  }
  return deps
}

function readActor(reader: ByteReader): ActorId {
  const length = reader.unsigned()
  if (length < 1 || length > maxActorBytes) refuse('actor-length')
  return hexOf(reader.bytes, reader.skip(length), reader.at) as ActorId
}

/** Comparing lower-case hex is comparing bytes, also where one actor is the beginning of another. */
function readActors(reader: ByteReader, author: ActorId): ActorId[] {
  const size = reader.unsigned()
  if (size > limits.maxActorsPerChange) refuse('actor-count')
  const actors: ActorId[] = []
  let before = ''
  for (let n = 0; n < size; n++) {
    const actor = readActor(reader)
    if (actor === author) refuse('actor-author')
    if (actor <= before) refuse('actor-order')
    before = actor
    actors.push(actor)
  }
  return actors
}

/** The one number that the author chooses freely and that may be beyond what JavaScript holds. */
function readTime(reader: ByteReader): number {
  const from = reader.at
  while (reader.byte() >= 0x80) if (reader.at - from > 10) refuse('time-range')
  const end = reader.at
  if (end - from > 8) refuse('time-range')
  reader.at = from
  return reader.signed()
}
