/** How consecutive changes travel: one byte that names the encoding, then the changes. */
import { MooringError } from '../errors.ts'
import { splitChunks } from './split.ts'

/** Encodings this version reads, in order of preference. `raw`: chunks one after the other. */
export const runEncodings = ['raw'] as const

const rawRun = 0

export function encodeRun(chunks: readonly Uint8Array[]): Uint8Array {
  let length = 1
  for (const chunk of chunks) length += chunk.byteLength
  const run = new Uint8Array(length)
  run[0] = rawRun
  let offset = 1
  for (const chunk of chunks) {
    run.set(chunk, offset)
    offset += chunk.byteLength
  }
  return run
}

/** The chunks of a run, as views of it. Only their headers are checked. @throws `malformed`, `bad-change`, `change-too-large` */
export function decodeRun(run: Uint8Array): Uint8Array[] {
  if (run[0] !== rawRun) throw new MooringError('malformed', { detail: 'the encoding of the run is not known' })
  return splitChunks(run.subarray(1))
}
