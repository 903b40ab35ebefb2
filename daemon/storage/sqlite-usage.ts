/**
 * What peers take up, written in the transaction of what it speaks of. Keeps: a row that does not fit its checksum counts for
 * nothing, and is written anew with what comes next.
 */
import type Database from 'better-sqlite3'
import type { PeerId } from '../../protocol/ids.ts'
import { isSound, sealed } from './sqlite-row-sum.ts'
import type { BlockId, PeerUsage } from './storage.ts'
import { difference, resized, setBack, type UsageRow } from './usage-rows.ts'

export interface UsageColumns {
  readonly block: BlockId
  readonly peer: PeerId
  readonly disk: number
  readonly content: number
  readonly sum: number
}

export class UsageTable {
  readonly #sql: ReturnType<typeof prepare>

  constructor(db: Database.Database) {
    this.#sql = prepare(db)
  }

  add(added: readonly UsageRow[]): void {
    for (const row of added) {
      const known = this.#sql.one.get(row.block, row.peer) as UsageColumns | undefined
      const { disk, content } = known !== undefined && isSound('usage', known) ? known : { disk: 0, content: 0 }
      this.#put({ ...row, disk: disk + row.disk, content: content + row.content })
    }
  }

  /** The block takes so many bytes more on the disk, or less. */
  resize(block: BlockId, bytes: number): PeerUsage[] {
    const before = this.#sound(block)
    const after = resized(before, bytes)
    for (const row of after) this.#put(row)
    return difference(before, after)
  }

  /** Something of the block was damaged: it takes so many bytes less, and holds so much. */
  setBack(block: BlockId, bytes: number, content: number): void {
    for (const row of setBack(this.#sound(block), bytes, content)) this.#put(row)
  }

  #sound(block: BlockId): UsageColumns[] {
    return (this.#sql.ofBlock.all(block) as UsageColumns[]).filter((row) => isSound('usage', row))
  }

  #put({ block, peer, disk, content }: UsageRow): void {
    this.#sql.put.run(sealed('usage', { block, peer, disk, content }))
  }
}

function prepare(db: Database.Database) {
  return {
    ofBlock: db.prepare('SELECT * FROM usage WHERE block = ? ORDER BY peer'),
    one: db.prepare('SELECT * FROM usage WHERE block = ? AND peer = ?'),
    put: db.prepare(
      `INSERT INTO usage (block, peer, disk, content, sum) VALUES (@block, @peer, @disk, @content, @sum)
       ON CONFLICT (block, peer) DO UPDATE SET disk = excluded.disk, content = excluded.content, sum = excluded.sum`,
    ),
  }
}
