/** What the storage port says of everything that is in a store, as JSON: of two stores with the same content, the same. */
import { createHash } from 'node:crypto'
import type { Storage } from '../../daemon/storage/storage.ts'

export async function describeStorage(storage: Storage): Promise<unknown> {
  const until = await storage.lastSeq()
  const { rows } = await storage.readLog({ after: 0, until, maxBytes: 100_000_000 })
  const blocks = await storage.blocks()
  const ofBlocks = await Promise.all(
    blocks.map(async ({ id }) => {
      const { clock, objects, known } = await storage.blockState(id)
      return { clock, objects, known, snapshot: await storage.snapshot(id) }
    }),
  )
  const all = {
    until,
    rows,
    blocks,
    ofBlocks,
    epochs: (await storage.epochs()).map(({ startSeq, endSeq }) => ({ startSeq, endSeq })),
    quarantined: await storage.quarantined(),
    suspensions: await storage.suspensions(),
    verified: await storage.verified(),
    peers: await storage.peers(),
    requests: await storage.requests(),
  }
  const plain = (_name: string, value: unknown): unknown =>
    value instanceof Uint8Array ? createHash('sha256').update(value).digest('hex') : value
  return JSON.parse(JSON.stringify(all, plain))
}
