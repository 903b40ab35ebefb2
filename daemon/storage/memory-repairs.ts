/** Blocks that were set back, for the memory backend: what waits, and what is lost. Rows are copied both ways. */
import type { ActorId } from '../../protocol/ids.ts'
import type { AppendPlan } from './append-plan.ts'
import { copyBytes } from './memory-rows.ts'
import type { MemoryUsage } from './memory-usage.ts'
import type {
  BlockId,
  ChangeRow,
  LostChanges,
  ObjectRow,
  Origin,
  Seq,
  SetBackEntry,
  SetBackRow,
  Snapshot,
  WaitingCard,
  WaitingPage,
  WaitingRow,
} from './storage.ts'
import { rowBytes } from './usage-rows.ts'

type Waiting = WaitingRow & { readonly origin: Origin }

export class MemoryRepairs {
  /** In the order in which they were. */
  #waiting: Waiting[] = []
  #lost: LostChanges[] = []
  readonly #setBacks = new Map<BlockId, Seq>()

  /** The log as the plan leaves it, in order. */
  write(
    plan: Pick<AppendPlan, 'setBacks' | 'returned' | 'blocks'>,
    log: ChangeRow[],
    { usage, droppedBytes }: { readonly usage: MemoryUsage; readonly droppedBytes: ReadonlyMap<BlockId, number> },
  ): ChangeRow[] {
    if (plan.setBacks.length === 0 && plan.returned.length === 0) return log
    let rows = [...log]
    for (const { row, content, damaged, waiting, lost } of plan.setBacks) {
      this.#setBacks.set(row.id, plan.blocks.get(row.id)?.visibleSeq ?? 0)
      const signatures = new Map(waiting.map(({ seq, signature }) => [seq, copyBytes(signature)]))
      const gone = new Set(damaged)
      let bytes = 0
      rows = rows.filter((each) => {
        const signature = signatures.get(each.seq)
        if (signature !== undefined) this.#waiting.push({ ...each, signature })
        const isFolded = each.block === row.id && each.seq <= row.horizonSeq
        if (signature !== undefined) return false
        if (!isFolded && !gone.has(each.seq)) return true
        bytes += each.bytes.length + rowBytes
        return false
      })
      usage.setBack(row.id, bytes + (droppedBytes.get(row.id) ?? 0), content)
      this.#lost = this.#lost.filter((old) => !lost.some((next) => isSame(old, next))).concat(structuredClone(lost))
    }
    for (const { block, from, to, content } of plan.returned) {
      const row = this.#waiting.find((each) => each.block === block && each.seq === from)
      if (row === undefined) continue
      const { signature: _signature, ...change } = row
      rows.push({ ...change, seq: to })
      this.#waiting = this.#waiting.filter((each) => each !== row)
      usage.add([{ block, peer: row.origin.peer, disk: 0, content }])
    }
    return rows.sort((a, b) => a.seq - b.seq)
  }

  setBacks(): SetBackRow[] {
    return [...this.#setBacks].map(([block, seq]) => ({ block, seq }))
  }

  waiting(): WaitingCard[] {
    return this.#waiting.map(({ block, seq, hash }) => ({ block, seq, hash }))
  }

  readWaiting({ block, after, maxBytes }: { block: BlockId; after: Seq; maxBytes: number }): WaitingPage {
    const rows: WaitingRow[] = []
    let bytes = 0
    for (const { origin: _origin, ...row } of this.#waiting) {
      if (row.block !== block || row.seq <= after) continue
      const last = rows.at(-1)
      if (last !== undefined && bytes >= maxBytes) return { rows, next: last.seq }
      rows.push({ ...row, bytes: copyBytes(row.bytes), signature: copyBytes(row.signature) })
      bytes += row.bytes.length
    }
    return { rows, next: undefined }
  }

  endWaiting(block: BlockId, seqs: readonly Seq[], usage: MemoryUsage): void {
    const ended = this.#waiting.filter((row) => row.block === block && seqs.includes(row.seq))
    this.#waiting = this.#waiting.filter((row) => !ended.includes(row))
    usage.resize(block, -ended.reduce((sum, { bytes }) => sum + bytes.length + rowBytes, 0))
  }

  lost(): LostChanges[] {
    return structuredClone(this.#lost)
  }

  endLost({ block, actor, to }: { block: BlockId; actor: ActorId; to: number }): void {
    this.#lost = this.#lost.filter((each) => each.block !== block || each.actor !== actor || each.to > to)
  }
}

const isSame = (a: LostChanges, b: LostChanges): boolean =>
  a.block === b.block && a.actor === b.actor && a.from === b.from

/** All of a block that is made anew. Answers the bytes of the snapshot that goes. */
export function clearBlock(
  stored: {
    readonly clock: Map<ActorId, unknown>
    readonly objects: Map<string, ObjectRow>
    snapshot: Snapshot | undefined
  },
  { objects, dropsSnapshot }: SetBackEntry,
): number {
  stored.clock.clear()
  stored.objects.clear()
  for (const object of objects) stored.objects.set(object.id, { ...object })
  const bytes = stored.snapshot?.bytes.length ?? 0
  if (!dropsSnapshot) return 0
  stored.snapshot = undefined
  return bytes
}
