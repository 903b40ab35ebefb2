/** The stored snapshot of a block, for whoever can do without. Keeps: one that is damaged is none while its rows are there. */
import { MooringError } from '../../protocol/errors.ts'
import type { BlockId, Snapshot, Storage } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'

/** @throws `block-damaged` when the rows that it stands for are gone */
export async function soundSnapshot(
  storage: Pick<Storage, 'snapshot'>,
  index: Pick<BlockIndex, 'byId'>,
  block: BlockId,
): Promise<Snapshot | undefined> {
  try {
    return await storage.snapshot(block)
  } catch (error) {
    const isNeeded = (index.byId(block)?.horizonSeq ?? 0) > 0
    if (isNeeded || !(error instanceof MooringError) || error.code !== 'block-damaged') throw error
    return undefined
  }
}
