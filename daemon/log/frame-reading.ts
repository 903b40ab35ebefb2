/** Reads what a peer submits. Keeps: each frame is within its limits, and one of many does not hold up everyone else. */
import { MooringError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import { type ChangeFacts, type Meter, readChange } from '../../protocol/sync/index.ts'
import { contentOf } from './ledger.ts'
import type { Pace } from './pace.ts'

/** What is kept of a change while it waits: it may be a thousand times as long expanded as it came. */
export interface Facts extends Omit<ChangeFacts, 'expanded'> {
  /** Bytes that it holds. */
  readonly content: number
}

/** What a mebibyte that is inflated and hashed counts for, in operations: it takes as long. */
const opsPerMebibyte = 1_024
/** Rows of columns that an operation has. */
const rowsPerOp = 8

/** What reading has cost, in operations. */
export const costOfReading = ({ rows, bytes }: Meter): number =>
  Math.ceil(rows / rowsPerOp + (bytes * opsPerMebibyte) / (1024 * 1024))

/**
 * @param meter counts what was read, also of what is refused
 * @throws `bad-change`, `change-too-large`
 */
export async function readFrames(
  frames: readonly (readonly Uint8Array[])[],
  { meter, pace }: { readonly meter: Meter; readonly pace: Pick<Pace, 'step'> },
): Promise<Facts[]> {
  const facts: Facts[] = []
  for (const frame of frames) {
    // Each may take milliseconds.
    await pace.step()
    facts.push(...readFrame(frame, meter))
  }
  return facts
}

function readFrame(chunks: readonly Uint8Array[], meter: Meter): Facts[] {
  let ops = 0
  let expanded = 0
  return chunks.map((chunk) => {
    const { expanded: plain, ...facts } = readChange(chunk, meter)
    ops += facts.ops
    expanded += plain.byteLength
    if (ops > limits.maxOpsPerFrame) throw new MooringError('change-too-large', { detail: 'maxOpsPerFrame' })
    if (expanded > limits.maxExpandedBytes) throw new MooringError('change-too-large', { detail: 'maxExpandedBytes' })
    return { ...facts, content: contentOf(plain.byteLength) }
  })
}
