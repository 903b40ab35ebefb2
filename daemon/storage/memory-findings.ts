/** What verification found, for the memory backend: quarantine, suspensions, verified positions. Rows are copied both ways. */
import type { ChangeHash, PeerId } from '../../protocol/ids.ts'
import type { AppendPlan } from './append-plan.ts'
import type { BlockId, QuarantineRow, Seq, SuspensionRow, VerifiedRow } from './storage.ts'

export class MemoryFindings {
  readonly #quarantined = new Map<string, QuarantineRow>()
  readonly #suspensions = new Map<PeerId, SuspensionRow>()
  readonly #verified = new Map<BlockId, Seq>()

  write({ quarantined, suspended, released }: Pick<AppendPlan, 'quarantined' | 'suspended' | 'released'>): void {
    for (const row of quarantined) this.#quarantined.set(keyOf(row.block, row.hash), { ...row })
    for (const row of suspended) if (!this.#suspensions.has(row.peer)) this.#suspensions.set(row.peer, { ...row })
    for (const { block, hash } of released) this.#quarantined.delete(keyOf(block, hash))
  }

  isQuarantined(block: BlockId, hash: ChangeHash): boolean {
    return this.#quarantined.has(keyOf(block, hash))
  }

  quarantined(): QuarantineRow[] {
    return structuredClone([...this.#quarantined.values()].sort((a, b) => a.seq - b.seq))
  }

  suspensions(): SuspensionRow[] {
    return structuredClone([...this.#suspensions.values()].sort((a, b) => (a.peer < b.peer ? -1 : 1)))
  }

  unsuspend(peer: PeerId): void {
    this.#suspensions.delete(peer)
  }

  verified(): VerifiedRow[] {
    return [...this.#verified].map(([block, seq]) => ({ block, seq }))
  }

  verifiedSeq(block: BlockId): Seq {
    return this.#verified.get(block) ?? 0
  }

  /** Never back. */
  putVerified(block: BlockId, seq: Seq): void {
    this.#verified.set(block, Math.max(seq, this.#verified.get(block) ?? 0))
  }
}

const keyOf = (block: BlockId, hash: ChangeHash): string => `${block} ${hash}`
