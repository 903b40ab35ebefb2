/** A log of one block held in arrays, filled with what Automerge itself wrote; stands in for the store's read side. */
import * as Automerge from '@automerge/automerge'
import type { BlockRow, ChangeRow, LogPage, LogQuery, Snapshot } from '../../../../daemon/storage/storage.ts'
import type { ActorId, BlockAddress, ChangeHash, Label, PeerId, ReplicaId, Scope } from '../../../../protocol/ids.ts'
import { schemaNamed } from '../../../../protocol/schemas/index.ts'

export type Root = { text: string; map: Record<string, unknown> }
export type Document = Automerge.Doc<Root>

const peer = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5' as PeerId
const origin = { peer, replica: '00'.repeat(16) as ReplicaId }

/** The document that every replica of a schema starts from. */
export function newDocument(schema: string): Document {
  return Automerge.applyChanges(Automerge.init<Root>(), [schemaNamed(schema).initial.bytes])[0]
}

export class BlockLog {
  readonly row: BlockRow
  readonly rows: ChangeRow[] = []
  readonly queries: LogQuery[] = []
  snapshotReads = 0
  stored: Snapshot | undefined
  document: Document
  /** Changes a page ends after, whatever its bytes. */
  pageRows = 1_000

  constructor(schema: 'text' | 'map', id = 1) {
    this.document = newDocument(schema)
    this.row = {
      id,
      address: `space:home/block-${id}` as BlockAddress,
      scope: 'space:home' as Scope,
      label: `block-${id}` as Label,
      generation: 1,
      schema,
      meta: {},
      owner: peer,
      createdAtMs: 0,
      createdSeq: 1,
      metaAtMs: 0,
      metaSeq: 1,
      visibleSeq: 1,
      deletedSeq: 0,
      maxOp: 1,
      ops: 1,
      gaps: 0,
      changes: 0,
      heads: [],
      horizonSeq: 0,
    }
  }

  /** Position of the last row. */
  get seq(): number {
    return this.rows.at(-1)?.seq ?? 1
  }

  get heads(): string[] {
    return Automerge.getHeads(this.document).toSorted()
  }

  /** Edits the document and appends the change to the log. */
  edit(change: (root: Root) => void): void {
    this.document = Automerge.change(this.document, { time: 0 }, change)
    const bytes = Automerge.getLastLocalChange(this.document)
    if (bytes === undefined) throw new Error('the edit changed nothing')
    this.append(bytes)
  }

  /** Appends bytes to the log as they are. They lie in a larger buffer, as rows of a page do. */
  append(bytes: Uint8Array, maxOp?: number): void {
    const page = new Uint8Array(bytes.length + 32)
    page.set(bytes, 16)
    const seq = this.seq + 1
    this.rows.push({
      seq,
      block: this.row.id,
      hash: '00'.repeat(32) as ChangeHash,
      actor: '00'.repeat(24) as ActorId,
      actorSeq: seq,
      maxOp: maxOp ?? seq,
      origin,
      bytes: page.subarray(16, 16 + bytes.length),
    })
  }
}

/** The read side of a store that has these blocks. */
export function readerOf(...logs: BlockLog[]) {
  const find = (block: number | undefined): BlockLog => {
    const log = logs.find(({ row }) => row.id === block)
    if (log === undefined) throw new Error(`no block ${block}`)
    return log
  }
  return {
    async snapshot(block: number): Promise<Snapshot | undefined> {
      const log = find(block)
      log.snapshotReads++
      return log.stored
    },
    async readLog(query: LogQuery): Promise<LogPage> {
      const log = find(Number(query.block))
      log.queries.push(query)
      const rows: ChangeRow[] = []
      let bytes = 0
      for (const row of log.rows) {
        if (row.seq <= query.after || row.seq > query.until) continue
        if (rows.length === log.pageRows || (rows.length > 0 && bytes >= query.maxBytes)) {
          return { rows, next: rows.at(-1)?.seq ?? query.until, damaged: [], clock: [] }
        }
        rows.push(row)
        bytes += row.bytes.length
      }
      return { rows, next: query.until, damaged: [], clock: [] }
    },
  }
}
