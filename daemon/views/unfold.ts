/** Takes a snapshot apart into its changes: what is left of a block is looked at change by change when something was lost. */
import type { BlockId, Snapshot } from '../storage/storage.ts'
import type { ViewRunner } from './view-thread.ts'

/** @throws ViewFault */
export async function unfold(
  thread: ViewRunner,
  block: BlockId,
  { seq, bytes: stored }: Pick<Snapshot, 'seq' | 'bytes'>,
): Promise<Uint8Array[]> {
  const changes: Uint8Array[] = []
  const copy = Uint8Array.from(stored)
  await thread.ask('begin', { block, seq, from: 'snapshot', bytes: copy }, [copy.buffer])
  for (;;) {
    const { bytes, lengths } = await thread.ask('changes', { block, from: changes.length })
    if (lengths.length === 0) return changes
    let at = 0
    for (const length of lengths) {
      changes.push(bytes.subarray(at, at + length))
      at += length
    }
  }
}
