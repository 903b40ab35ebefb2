/**
 * What is set aside and who may not write, in memory. Follows the store: a row is here only after it is durable. Keeps:
 * what is in quarantine is sent to nobody and rendered nowhere, while its bytes stay where they are.
 */
import type { ChangeHash, PeerId } from '../../protocol/ids.ts'
import type { BlockId, ChangeRow, LogPage, LogQuery, QuarantineRow, Seq, SuspensionRow } from '../storage/storage.ts'

export class Quarantine {
  readonly #bySeq = new Map<BlockId, Map<Seq, QuarantineRow>>()
  readonly #byHash = new Map<BlockId, Map<ChangeHash, QuarantineRow>>()
  readonly #suspensions = new Map<PeerId, SuspensionRow>()

  constructor(rows: readonly QuarantineRow[], suspensions: readonly SuspensionRow[]) {
    for (const row of rows) this.add(row)
    for (const row of suspensions) this.suspend(row)
  }

  /** Whether the log row at this position is set aside. */
  hasRow(block: BlockId, seq: Seq): boolean {
    return this.#bySeq.get(block)?.has(seq) === true
  }

  hasHash(block: BlockId, hash: ChangeHash): boolean {
    return this.#byHash.get(block)?.has(hash) === true
  }

  hashes(block: BlockId): ChangeHash[] {
    return [...(this.#byHash.get(block)?.keys() ?? [])]
  }

  /** What is set aside in one block, or everywhere, in log order. */
  rows(block?: BlockId): QuarantineRow[] {
    const blocks = block === undefined ? [...this.#bySeq.values()] : [this.#bySeq.get(block) ?? new Map()]
    return blocks.flatMap((rows) => [...rows.values()]).sort((a, b) => a.seq - b.seq)
  }

  /** Those that one event set aside. */
  ofEvent(block: BlockId, eventSeq: Seq): QuarantineRow[] {
    return this.rows(block).filter((row) => row.eventSeq === eventSeq)
  }

  /** Those that a replica may hold which says that it has the block up to a clock; all, when it could not be kept. */
  heldBy(block: BlockId, clock: ReadonlyMap<string, Seq> | undefined): QuarantineRow[] {
    return this.rows(block).filter(({ actor, actorSeq }) => clock === undefined || (clock.get(actor) ?? 0) >= actorSeq)
  }

  suspension(peer: PeerId): SuspensionRow | undefined {
    return this.#suspensions.get(peer)
  }

  suspensions(): SuspensionRow[] {
    return [...this.#suspensions.values()]
  }

  /** A page without what is set aside. It may have no rows and yet move on. */
  filter({ rows, damaged, ...page }: LogPage): LogPage {
    const isIn = ({ block, seq }: Pick<ChangeRow, 'block' | 'seq'>): boolean => !this.hasRow(block, seq)
    return { ...page, rows: rows.filter(isIn), damaged: damaged.filter(isIn) }
  }

  /** The log as views may read it. */
  reader(readLog: (query: LogQuery) => Promise<LogPage>): (query: LogQuery) => Promise<LogPage> {
    return async (query) => this.filter(await readLog(query))
  }

  add(row: QuarantineRow): void {
    const bySeq = this.#bySeq.get(row.block) ?? new Map<Seq, QuarantineRow>()
    const byHash = this.#byHash.get(row.block) ?? new Map<ChangeHash, QuarantineRow>()
    this.#bySeq.set(row.block, bySeq.set(row.seq, row))
    this.#byHash.set(row.block, byHash.set(row.hash, row))
  }

  remove(block: BlockId, hash: ChangeHash): void {
    const row = this.#byHash.get(block)?.get(hash)
    if (row === undefined) return
    this.#byHash.get(block)?.delete(hash)
    this.#bySeq.get(block)?.delete(row.seq)
  }

  /** The first reason stays. */
  suspend(row: SuspensionRow): void {
    if (!this.#suspensions.has(row.peer)) this.#suspensions.set(row.peer, row)
  }

  unsuspend(peer: PeerId): void {
    this.#suspensions.delete(peer)
  }
}
