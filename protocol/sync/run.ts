/**
 * How consecutive changes travel: one byte that names the form, then the changes. Keeps the invariant that what comes
 * out is byte for byte what went in: a packed run carries a digest of its chunks, and one that does not fit it is
 * refused as a whole.
 */
import zlib from 'node:zlib'
import { MooringError } from '../errors.ts'
import { limits } from '../limits.ts'
import { packRun } from './run-pack.ts'
import { digestOf, hasLatin1At } from './run-parts.ts'
import { damaged } from './run-rebuild.ts'
import { unpackRun } from './run-unpack.ts'
import { splitChunks } from './split.ts'
import { refuse } from './structure-rules.ts'

/**
 * What a reader of runs understands. `raw`: chunks one after the other. `deflate`: also packed runs, plain and deflated.
 * `zstd`: all of that and packed runs compressed with zstd.
 */
export type RunEncoding = 'zstd' | 'deflate' | 'raw'

/** Encodings this runtime reads and writes, in order of preference. */
export const runEncodings: readonly RunEncoding[] =
  'zstdCompressSync' in zlib ? ['zstd', 'deflate', 'raw'] : ['deflate', 'raw']

/** First byte of a run. */
const runForm = { raw: 0, packed: 1, zstd: 2, deflate: 3 } as const

/** First bytes of SHA-256 over the chunks, between the form and the packed run. */
const digestBytes = 8
const headBytes = 1 + digestBytes

/** One change alone repeats nothing of another: below this packing it saves nothing, and the time goes to latency. */
const minSingleBytes = 1_024
/** Below this compressing saves a few bytes and costs both sides about 15 µs. */
const minCompressedBytes = 224

/**
 * Below this deflate takes no longer than zstd and gives up to a fifth less: zstd writes its tables first. Above it takes
 * three times as long for the same.
 */
const minZstdBytes = 2_048
/** A window as large as what may come out of it: a frame must not reserve more memory than that. */
const maxWindowLog = 21

/** The best encoding that both this runtime and a reader understand; undefined when there is none. */
export function chooseRunEncoding(accept: readonly string[]): RunEncoding | undefined {
  return runEncodings.find((encoding) => accept.includes(encoding))
}

/**
 * The shortest form of the chunks that a reader of `encoding` understands. Given the same chunks it gives the same
 * bytes, so one result serves all readers of that encoding.
 *
 * @param encoding what the reader accepts; every reader understands the default
 */
export function encodeRun(chunks: readonly Uint8Array[], encoding: RunEncoding = 'raw'): Uint8Array {
  const raw = joinRaw(chunks)
  if (encoding === 'raw' || !isWithinBounds(chunks)) return raw
  if (chunks.length === 0 || (chunks.length === 1 && raw.length < minSingleBytes)) return raw
  const packed = packRun(chunks)
  if (packed === undefined || packed.length > limits.maxExpandedBytes) return raw
  const compression = encoding === 'zstd' && packed.length >= minZstdBytes ? 'zstd' : 'deflate'
  const compressed = packed.length < minCompressedBytes ? packed : compress(packed, compression)
  const isCompressed = compressed.length < packed.length
  const body = isCompressed ? compressed : packed
  if (headBytes + body.length >= raw.length) return raw
  const run = new Uint8Array(headBytes + body.length)
  run[0] = isCompressed ? runForm[compression] : runForm.packed
  run.set(Buffer.from(digestOf(raw.subarray(1)).slice(0, digestBytes), 'latin1'), 1)
  run.set(body, headBytes)
  return run
}

/**
 * The chunks of a run. Only their headers are checked.
 *
 * @throws `malformed`, `bad-change` when the run is damaged or of an unknown form; `change-too-large` above
 *   maxChangesPerFrame, maxChangeBytes or maxExpandedBytes
 */
export function decodeRun(run: Uint8Array): Uint8Array[] {
  const body = run.subarray(headBytes)
  switch (run[0]) {
    case runForm.raw:
      return split(run.subarray(1))
    case runForm.packed:
      return unpack(run, body)
    case runForm.zstd:
      return unpack(run, expand(body, 'zstd'))
    case runForm.deflate:
      return unpack(run, expand(body, 'deflate'))
    default:
      throw new MooringError('malformed', { detail: 'the encoding of the run is not known' })
  }
}

function joinRaw(chunks: readonly Uint8Array[]): Uint8Array {
  let length = 1
  for (const chunk of chunks) length += chunk.byteLength
  const run = new Uint8Array(length)
  run[0] = runForm.raw
  let offset = 1
  for (const chunk of chunks) {
    run.set(chunk, offset)
    offset += chunk.byteLength
  }
  return run
}

const isWithinBounds = (chunks: readonly Uint8Array[]): boolean =>
  chunks.length <= limits.maxChangesPerFrame &&
  chunks.every((chunk) => chunk.byteLength <= limits.maxChangeBytes) &&
  chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0) <= limits.maxExpandedBytes

function split(joined: Uint8Array): Uint8Array[] {
  const chunks = splitChunks(joined)
  for (const chunk of chunks) if (chunk.byteLength > limits.maxChangeBytes) refuse('change-bytes')
  return chunks
}

function unpack(run: Uint8Array, packed: Uint8Array): Uint8Array[] {
  try {
    const { chunks, joined } = unpackRun(packed)
    return hasLatin1At(run, 1, digestOf(joined).slice(0, digestBytes)) ? chunks : damaged()
  } catch (error) {
    // A rule that a packed run breaks says nothing about a change: there is none yet.
    if (error instanceof MooringError && error.code === 'bad-change') damaged()
    throw error
  }
}

// The levels are the defaults: higher ones take two to fifty times as long for a twentieth less.
function compress(packed: Uint8Array, encoding: 'zstd' | 'deflate'): Uint8Array {
  return encoding === 'zstd' ? zlib.zstdCompressSync(packed) : zlib.deflateRawSync(packed)
}

function expand(body: Uint8Array, encoding: 'zstd' | 'deflate'): Uint8Array {
  // With `info`, zlib returns the engine as well, which knows how much of the input belonged to the stream.
  const options = { maxOutputLength: limits.maxExpandedBytes, info: true }
  const windowLog = { params: { [zlib.constants.ZSTD_d_windowLogMax]: maxWindowLog } }
  let result: { buffer: Uint8Array; engine: { bytesWritten: number } }
  try {
    const expanded: unknown =
      encoding === 'zstd'
        ? zlib.zstdDecompressSync(body, { ...options, ...windowLog })
        : zlib.inflateRawSync(body, options)
    result = expanded as typeof result
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') refuse('run-bytes')
    return damaged()
  }
  return result.engine.bytesWritten === body.length ? result.buffer : damaged()
}
