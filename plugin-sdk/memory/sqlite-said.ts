/**
 * What is said of a block beside its content, as it is kept in the row of the block. Keeps: what was wanted here never passes
 * for what the daemon said.
 */
import type { BlockRow } from './sqlite-statements.ts'
import type { StoredBlock, StoredSealed } from './store.ts'

export function sealedOf(row: BlockRow): StoredSealed | undefined {
  const { owner, created_at_ms: createdAtMs, meta, meta_at_ms: metaAtMs, seal } = row
  if (owner === null || createdAtMs === null || meta === null || metaAtMs === null || seal === null) return undefined
  const said = JSON.parse(meta) as StoredSealed['meta']
  return { owner, createdAtMs, meta: said, metaAtMs, seal: Uint8Array.from(seal) }
}

/** Until a daemon says something of the block, this is what was said of it here. */
export const wantedOf = ({ owner, meta }: BlockRow): StoredBlock['wanted'] =>
  owner === null && meta !== null ? (JSON.parse(meta) as StoredBlock['wanted']) : undefined
