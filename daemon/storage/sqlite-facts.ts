/**
 * Reads of what holds beside the log: blocks, epochs, peers, requests, what was found out. Keeps: a row that does not fit
 * its checksum is reported; what it says permits nothing and is not built on.
 */
import type Database from 'better-sqlite3'
import type { SummedTable } from './sqlite-row-sum.ts'
import { grantsText, isSound } from './sqlite-row-sum.ts'
import type {
  BlockColumns,
  ClockColumns,
  InviteColumns,
  PeerColumns,
  QuarantineColumns,
  RequestColumns,
  SuspensionColumns,
} from './sqlite-rows.ts'
import { blockRow, damagedPeerRow, inviteRow, peerRow, quarantineRow, requestRow } from './sqlite-rows.ts'
import { hexOf } from './sqlite-sum.ts'
import type { UsageColumns } from './sqlite-usage.ts'
import type {
  BlockId,
  BlockRow,
  DamagedRow,
  Epoch,
  InviteRow,
  Origin,
  PeerRow,
  PeerUsage,
  QuarantineRow,
  RequestRow,
  Seq,
  SuspensionRow,
  VerifiedRow,
} from './storage.ts'
import { totals } from './usage-rows.ts'

export type ReportDamage = (damaged: DamagedRow) => void

/** The last position in use. Whatever a damaged row says, no position is used twice: so it is the highest of all. */
export const lastSeqSql = `SELECT max(
  coalesce((SELECT max(seq) FROM change WHERE seq < 1 << 50), 0),
  coalesce((SELECT max(seq) FROM event WHERE seq < 1 << 50), 0),
  coalesce((SELECT max(seq) FROM snapshot WHERE seq < 1 << 50), 0),
  coalesce((SELECT max(start_seq) FROM epoch WHERE start_seq < 1 << 50), 0),
  coalesce((SELECT max(visible_seq) FROM block WHERE visible_seq < 1 << 50), 0))`

type EpochColumns = { readonly n: number; readonly id: string; readonly start_seq: Seq; readonly sum: number }
type VerifiedColumns = { readonly block: BlockId; readonly seq: Seq; readonly sum: number }
type OriginColumns = { readonly id: number; readonly peer: string; readonly replica: string; readonly sum: number }

export class FactReader {
  readonly #db: Database.Database
  readonly #sql: ReturnType<typeof prepare>
  readonly #report: ReportDamage
  readonly #origins = new Map<number, Origin>()

  constructor(db: Database.Database, report: ReportDamage) {
    this.#db = db
    this.#sql = prepare(db)
    this.#report = report
  }

  lastSeq(): Seq {
    return Number(this.#sql.lastSeq.get())
  }

  blocks(): BlockRow[] {
    const rows = this.#sql.blocks.all() as BlockColumns[]
    return rows.filter((row) => this.isSound('block', row, row.id, row.id)).map(blockRow)
  }

  /** An epoch whose end is not known for sure is none that a cursor could be of. */
  epochs(): Epoch[] {
    const rows = this.#sql.epochs.all() as EpochColumns[]
    const sound = rows.map((row) => this.isSound('epoch', row, row.n))
    return rows.flatMap(({ id, start_seq: startSeq }, index) => {
      const next = rows[index + 1]
      if (sound[index] !== true || (next !== undefined && sound[index + 1] !== true)) return []
      return [{ id, startSeq, endSeq: next?.start_seq }]
    })
  }

  quarantined(): QuarantineRow[] {
    const rows = this.#sql.quarantined.all() as QuarantineColumns[]
    // Believed all the same: what is left out here would be served.
    for (const row of rows) this.isSound('quarantine', row, row.seq, row.block)
    return rows.map(quarantineRow)
  }

  usage(): PeerUsage[] {
    const rows = this.#sql.usage.all() as UsageColumns[]
    const sound = rows.filter((row) => this.isSound('usage', row, `${row.block} ${row.peer}`))
    return totals([...sound, ...(this.#sql.archiveUsage.all() as UsageColumns[])])
  }

  contentOf(block: BlockId): number {
    const rows = this.#sql.usageOf.all(block) as UsageColumns[]
    return rows.reduce((sum, row) => sum + (isSound('usage', row) ? row.content : 0), 0)
  }

  suspensions(): SuspensionRow[] {
    const rows = this.#sql.suspensions.all() as SuspensionColumns[]
    for (const row of rows) this.isSound('suspension', row, row.peer)
    return rows.map(({ peer, reason, at_ms: atMs }) => ({ peer: peer as SuspensionRow['peer'], reason, atMs }))
  }

  verified(): VerifiedRow[] {
    const rows = this.#sql.verified.all() as VerifiedColumns[]
    return rows.flatMap((row) =>
      this.isSound('verified', row, row.block, row.block) ? [{ block: row.block, seq: row.seq }] : [],
    )
  }

  peers(): PeerRow[] {
    return this.#db.transaction(() => {
      const grants = Map.groupBy(this.#sql.grants.all() as { peer: string; text: string }[], ({ peer }) => peer)
      return (this.#sql.peers.all() as PeerColumns[]).map((row) => {
        const texts = (grants.get(row.peer) ?? []).map(({ text }) => text)
        const isWhole = this.isSound('peer', { ...row, grants: grantsText(texts) }, row.peer)
        return isWhole ? peerRow(row, texts) : damagedPeerRow(row)
      })
    })()
  }

  requests(): RequestRow[] {
    const rows = this.#sql.requests.all() as RequestColumns[]
    return rows.filter((row) => this.isSound('request', row, row.code)).map(requestRow)
  }

  invite(hash: string): InviteRow | undefined {
    const row = this.#sql.invite.get(hash) as InviteColumns | undefined
    return row !== undefined && this.isSound('invite', row, row.hash) ? inviteRow(row) : undefined
  }

  /** Undefined for an id that no row has. */
  origin(id: number): Origin | undefined {
    const cached = this.#origins.get(id)
    if (cached !== undefined) return cached
    const row = this.#sql.origin.get(id) as OriginColumns | undefined
    if (row === undefined) return undefined
    // Nothing is permitted or kept back by it: it says whom to name.
    this.isSound('replica', row, id)
    const origin = { peer: row.peer, replica: row.replica } as Origin
    this.#origins.set(id, origin)
    return origin
  }

  isSoundClock(row: ClockColumns): boolean {
    return this.isSound('clock', row, `${row.block} ${hexOf(row.actor)}`, row.block)
  }

  /** Reports a row that is not. */
  isSound<Table extends SummedTable>(
    table: Table,
    row: Parameters<typeof isSound<Table>>[1],
    key: string | number,
    block?: BlockId,
  ): boolean {
    if (isSound(table, row)) return true
    this.#report({ table, key: String(key), block })
    return false
  }
}

function prepare(db: Database.Database) {
  return {
    lastSeq: db.prepare(lastSeqSql).pluck(),
    epochs: db.prepare('SELECT n, id, start_seq, sum FROM epoch ORDER BY n'),
    blocks: db.prepare('SELECT * FROM block ORDER BY id'),
    origin: db.prepare('SELECT id, peer, replica, sum FROM replica WHERE id = ?'),
    quarantined: db.prepare('SELECT * FROM quarantine ORDER BY seq'),
    usage: db.prepare('SELECT * FROM usage'),
    archiveUsage: db.prepare(
      'SELECT 0 AS block, owner AS peer, sum(disk) AS disk, 0 AS content FROM archive GROUP BY owner',
    ),
    usageOf: db.prepare('SELECT * FROM usage WHERE block = ?'),
    suspensions: db.prepare('SELECT peer, reason, at_ms, sum FROM suspension ORDER BY peer'),
    verified: db.prepare('SELECT block, seq, sum FROM verified'),
    peers: db.prepare('SELECT * FROM peer ORDER BY peer'),
    grants: db.prepare('SELECT peer, text FROM grant_ ORDER BY peer, n'),
    requests: db.prepare('SELECT * FROM request ORDER BY n'),
    invite: db.prepare('SELECT * FROM invite WHERE hash = ?'),
  }
}
