/** Brings a document of the view worker up to a position of the log, from what the worker holds or from the store. */
import { MooringError } from '../../protocol/errors.ts'
import { schemaNamed } from '../../protocol/schemas/index.ts'
import type { BlockRow, Seq, Storage } from '../storage/storage.ts'
import { logSlices } from './log-slices.ts'
import type { SliceLimit } from './view-steps.ts'
import type { ViewRunner } from './view-thread.ts'

export interface Wanted {
  readonly block: BlockRow
  readonly until: Seq
  readonly limit: SliceLimit | undefined
  /** What the worker holds has something in it that is set aside by now. */
  readonly isOutdated: boolean
}

/** Answers where the document then is. @throws ViewFault, and what reading throws */
export async function materialise(
  thread: ViewRunner,
  read: Pick<Storage, 'snapshot' | 'readLog'>,
  { block, until, limit, isOutdated }: Wanted,
): Promise<Seq> {
  let { seq } = await thread.ask('hold', { block: block.id })
  // A held document that is older than the stored snapshot is outdated, so that rows that were folded into the snapshot
  // and removed are not missed by reading on from here.
  if (seq === undefined || isOutdated) {
    const stored = await read.snapshot(block.id)
    // Never made without what is folded: the rows are gone, and what follows builds on them.
    if ((stored?.seq ?? 0) < block.horizonSeq)
      throw new MooringError('block-damaged', { detail: 'the snapshot is gone' })
    seq = stored?.seq ?? 0
    // Copied, for transfer: the caller's array, and the table's above all, stay whole.
    const bytes = Uint8Array.from((stored ?? schemaNamed(block.schema).initial).bytes)
    const from = stored === undefined ? 'change' : 'snapshot'
    await thread.ask('begin', { block: block.id, seq, from, bytes }, [bytes.buffer])
  }
  for await (const slice of logSlices((query) => read.readLog(query), { block: block.id, after: seq, until })) {
    const ask = { block: block.id, ...slice, ...(limit === undefined ? {} : { limit }) }
    await thread.ask('apply', ask, [slice.bytes.buffer, slice.lengths.buffer])
  }
  return Math.max(seq, until)
}
