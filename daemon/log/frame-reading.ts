/** Reads what a peer submits. Keeps: each frame is within its limits, and one of many does not hold up everyone else. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { MooringError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import { type ChangeFacts, readChange } from '../../protocol/sync/index.ts'
import { contentOf } from './ledger.ts'

/** What is kept of a change while it waits: it may be a thousand times as long expanded as it came. */
export interface Facts extends Omit<ChangeFacts, 'expanded'> {
  /** Bytes that it holds. */
  readonly content: number
}

/** @throws `bad-change`, `change-too-large` */
export async function readFrames(frames: readonly (readonly Uint8Array[])[]): Promise<Facts[]> {
  const facts: Facts[] = []
  for (const [index, frame] of frames.entries()) {
    // Each takes milliseconds.
    if (index > 0) await nextTurn()
    facts.push(...readFrame(frame))
  }
  return facts
}

function readFrame(chunks: readonly Uint8Array[]): Facts[] {
  let ops = 0
  let expanded = 0
  return chunks.map((chunk) => {
    const { expanded: plain, ...facts } = readChange(chunk)
    ops += facts.ops
    expanded += plain.byteLength
    if (ops > limits.maxOpsPerFrame) throw new MooringError('change-too-large', { detail: 'maxOpsPerFrame' })
    if (expanded > limits.maxExpandedBytes) throw new MooringError('change-too-large', { detail: 'maxExpandedBytes' })
    return { ...facts, content: contentOf(plain.byteLength) }
  })
}
