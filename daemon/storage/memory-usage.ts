/** What peers take up, for the memory backend. */
import type { PeerId } from '../../protocol/ids.ts'
import type { BlockId, PeerUsage } from './storage.ts'
import { difference, resized, setBack, type UsageRow } from './usage-rows.ts'

export class MemoryUsage {
  readonly #rows = new Map<BlockId, Map<PeerId, UsageRow>>()

  add(added: readonly UsageRow[]): void {
    for (const row of added) {
      const rows = this.#rows.get(row.block) ?? new Map<PeerId, UsageRow>()
      const known = rows.get(row.peer) ?? { disk: 0, content: 0 }
      rows.set(row.peer, { ...row, disk: known.disk + row.disk, content: known.content + row.content })
      this.#rows.set(row.block, rows)
    }
  }

  resize(block: BlockId, bytes: number): PeerUsage[] {
    const before = this.#of(block)
    const after = resized(before, bytes)
    this.#rows.set(block, new Map(after.map((row) => [row.peer, row])))
    return difference(before, after)
  }

  setBack(block: BlockId, bytes: number, content: number): void {
    const after = setBack(this.#of(block), bytes, content)
    this.#rows.set(block, new Map(after.map((row) => [row.peer, row])))
  }

  contentOf(block: BlockId): number {
    return this.#of(block).reduce((sum, { content }) => sum + content, 0)
  }

  rows(): UsageRow[] {
    return [...this.#rows.keys()].flatMap((block) => this.#of(block))
  }

  #of(block: BlockId): UsageRow[] {
    return [...(this.#rows.get(block)?.values() ?? [])]
  }
}
