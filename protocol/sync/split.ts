/**
 * Splits a frame's run of chunks into changes and checks them together. Keeps the invariant that the caps hold for the
 * frame as a whole: many small changes must not cost what one large change may not.
 */
import { limits } from '../limits.ts'
import { type ChangeFacts, readChange, readChunkHeader } from './change-structure.ts'
import { type Meter, newMeter } from './columns.ts'
import { refuse } from './structure-rules.ts'

/**
 * The chunks of a run, as views of its bytes. Only headers are read: nothing is inflated or hashed.
 *
 * @throws `bad-change` when the bytes are not whole change chunks, `change-too-large` above maxChangesPerFrame
 */
export function splitChunks(run: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = []
  let from = 0
  while (from < run.length) {
    if (chunks.length === limits.maxChangesPerFrame) refuse('run-changes')
    const { end } = readChunkHeader(run, from)
    chunks.push(run.subarray(from, end))
    from = end
  }
  return chunks
}

/**
 * Reads every change of a run. Stops at the change that breaks a rule or takes the run above a cap, so the work is
 * bounded by the caps plus one change.
 *
 * @throws `bad-change`, `change-too-large`
 */
export function checkRun(chunks: readonly Uint8Array[], meter: Meter = newMeter()): ChangeFacts[] {
  if (chunks.length > limits.maxChangesPerFrame) refuse('run-changes')
  let ops = 0
  let bytes = 0
  return chunks.map((chunk) => {
    const facts = readChange(chunk, meter)
    ops += facts.ops
    bytes += facts.expanded.length
    if (ops > limits.maxOpsPerFrame) refuse('run-ops')
    if (bytes > limits.maxExpandedBytes) refuse('run-bytes')
    return facts
  })
}
