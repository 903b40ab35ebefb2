/**
 * The rules of `append`, in one place for all backends: who may write, what becomes of an address, which heads are
 * left, how `seq` is given out. A plan reads through {@link AppendTables} and changes nothing; the backend then
 * writes the whole plan or none of it. Inside one plan, later entries see what earlier ones did.
 */

import { isSameMeta, patched } from '../../protocol/block-meta.ts'
import { MooringError } from '../../protocol/errors.ts'
import { nextGeneration } from '../../protocol/generation.ts'
import type { BlockAddress, ChangeHash, PeerId } from '../../protocol/ids.ts'
import { formatAddress } from '../../protocol/ids.ts'
import type { AppendTables, PlacedChange, PlannedBlock, PlannedEntry, PlannedEvent, Refusal } from './planned.ts'
import { fromRow, madeBlock, toRow, undamaged } from './planned.ts'
import type {
  AppendOutcome,
  BlockId,
  ChangeEntry,
  CreateEntry,
  DeleteEntry,
  MetaEntry,
  ObjectRow,
  QuarantineEntry,
  QuarantineRow,
  ReleaseEntry,
  ReplaceEntry,
  ReturnEntry,
  Seq,
  SetBackEntry,
  SuspensionRow,
} from './storage.ts'

const refused = (code: Refusal): AppendOutcome => ({ kind: 'refused', code })

export class AppendPlan<Change extends ChangeEntry = ChangeEntry> {
  readonly outcomes: AppendOutcome[] = []
  readonly changes: { readonly seq: Seq; readonly entry: Change }[] = []
  readonly events: PlannedEvent[] = []
  readonly objects: { readonly block: BlockId; readonly row: ObjectRow }[] = []
  readonly quarantined: QuarantineRow[] = []
  readonly suspended: SuspensionRow[] = []
  /** Rows that move to the end of the log. */
  readonly released: { readonly block: BlockId; readonly hash: ChangeHash; readonly from: Seq; readonly to: Seq }[] = []
  readonly setBacks: SetBackEntry[] = []
  /** Rows that move from where they wait to the end of the log. */
  readonly returned: {
    readonly block: BlockId
    readonly from: Seq
    readonly to: Seq
    readonly ops: number
    readonly content: number
  }[] = []
  /** Every block that an entry looked at, by id; a block that nothing changed is written back as it was. */
  readonly blocks = new Map<BlockId, PlannedBlock>()
  lastSeq: Seq
  lastBlock: BlockId

  readonly #tables: AppendTables
  readonly #self: PeerId | undefined
  readonly #newest = new Map<BlockAddress, PlannedBlock>()
  readonly #versions = new Map<PeerId, number | undefined>()
  readonly #refusedActors = new Set<string>()
  readonly #refusedHashes = new Set<ChangeHash>()

  constructor(entries: Iterable<PlannedEntry<Change>>, tables: AppendTables, self: PeerId | undefined) {
    this.#tables = tables
    this.#self = self
    this.lastSeq = tables.lastSeq
    this.lastBlock = tables.lastBlock
    for (const entry of entries) this.outcomes.push(this.#entry(entry))
  }

  /** Whether there is anything to write. */
  get isEmpty(): boolean {
    return this.lastSeq === this.#tables.lastSeq
  }

  #entry(entry: PlannedEntry<Change>): AppendOutcome {
    try {
      return this.#decide(entry)
    } catch (error) {
      if (!(error instanceof MooringError) || error.code !== 'block-damaged') throw error
      // Looked up before anything was planned: of the other entries nothing is touched.
      return this.#refuse(entry, 'block-damaged')
    }
  }

  #decide(entry: PlannedEntry<Change>): AppendOutcome {
    const allowed = this.#allowed(entry.origin.peer, entry.grantVersion)
    if (entry.kind === 'create') return allowed ? this.#create(entry) : refused('grant-changed')
    if (entry.kind === 'delete') return allowed ? this.#delete(entry) : refused('grant-changed')
    if (entry.kind === 'meta') return allowed ? this.#meta(entry) : refused('grant-changed')
    if (entry.kind === 'replace') return allowed ? this.#replace(entry) : refused('grant-changed')
    if (entry.kind === 'quarantine') return allowed ? this.#quarantine(entry) : refused('grant-changed')
    if (entry.kind === 'release') return allowed ? this.#release(entry) : refused('grant-changed')
    if (entry.kind === 'set-back') return allowed ? this.#setBack(entry) : refused('grant-changed')
    if (entry.kind === 'return') return allowed ? this.#return(entry) : refused('grant-changed')
    const { author } = entry
    const isAuthorAllowed = author === undefined || this.#allowed(author.peer, author.grantVersion)
    const code = allowed && isAuthorAllowed ? this.#refuseChange(entry) : 'grant-changed'
    return code === undefined ? this.#change(entry) : this.#refuse(entry, code)
  }

  #refuse(entry: PlannedEntry<Change>, code: Refusal): AppendOutcome {
    if (entry.kind === 'change') {
      this.#refusedActors.add(`${entry.block} ${entry.actor}`)
      this.#refusedHashes.add(entry.hash)
    }
    return refused(code)
  }

  #allowed(peer: PeerId, grantVersion: number): boolean {
    if (peer === this.#self) return true
    if (!this.#versions.has(peer)) this.#versions.set(peer, this.#tables.approvedVersion(peer))
    return this.#versions.get(peer) === grantVersion
  }

  #create(entry: CreateEntry): AppendOutcome {
    const address = formatAddress(entry.scope, entry.label)
    const newest = this.#newestAt(address)
    const { generation = nextGeneration(newest, entry.atMs), owner = entry.origin.peer } = entry
    const isLater = entry.generation === undefined || generation > (newest?.generation ?? 0)
    if (newest !== undefined && newest.deletedSeq === 0) {
      if (entry.generation === undefined || !isLater) {
        return newest.schema === entry.schema ? { kind: 'existing', block: toRow(newest) } : refused('address-taken')
      }
      const { origin, grantVersion } = entry
      this.#delete({ kind: 'delete', origin, grantVersion, block: newest.id })
    }
    if (!isLater) return refused('block-deleted')
    const seq = this.#nextSeq()
    this.lastBlock += 1
    const block = madeBlock(entry, { id: this.lastBlock, address, generation, owner, seq })
    this.#remember(block)
    for (const row of entry.initial.objects) this.objects.push({ block: block.id, row })
    const { scope, label, schema, meta, metaAtMs } = block
    const data = { scope, label, generation, schema, meta, metaAtMs, owner, atMs: entry.atMs }
    this.events.push({ seq, block: block.id, kind: 'create', origin: entry.origin, data })
    return { kind: 'stored', seq, block: toRow(block) }
  }

  #delete(entry: DeleteEntry): AppendOutcome {
    const block = this.#block(entry.block)
    if (block === undefined || block.deletedSeq > 0) return refused('block-deleted')
    const seq = this.#nextSeq()
    block.deletedSeq = seq
    block.visibleSeq = seq
    this.events.push({ seq, block: block.id, kind: 'delete', origin: entry.origin, data: {} })
    return { kind: 'stored', seq, block: toRow(block) }
  }

  #meta({ patch, atMs, isRecalled, origin, ...entry }: MetaEntry): AppendOutcome {
    const block = this.#block(entry.block)
    if (block === undefined || block.deletedSeq > 0) return refused('block-deleted')
    // Made of what is said now: it may have been changed since the entry was handed in.
    const meta = patched(block.meta, patch)
    const isOld = isRecalled === true && atMs <= block.metaAtMs
    if (isOld || isSameMeta(meta, block.meta)) return { kind: 'existing', block: toRow(block) }
    const seq = this.#nextSeq()
    const supersedes = block.metaSeq > block.createdSeq ? block.metaSeq : undefined
    block.meta = meta
    block.metaSeq = seq
    block.metaAtMs = Math.max(block.metaAtMs + 1, atMs)
    const data = { meta, atMs: block.metaAtMs }
    this.events.push({ seq, block: block.id, kind: 'meta', origin, data, supersedes })
    return { kind: 'stored', seq, block: toRow(block) }
  }

  /** `seq` of the outcome is that of the last row; the deletion is the row before the creation. */
  #replace({ kind: _kind, ...entry }: ReplaceEntry<Change>): AppendOutcome {
    const old = this.#block(entry.block)
    if (old === undefined || old.deletedSeq > 0) return refused('block-deleted')
    const { origin, grantVersion, generation, atMs, initial } = entry
    if (old.visibleSeq !== entry.visibleSeq || old.generation >= generation) return refused('wrong-state')
    this.#delete({ kind: 'delete', origin, grantVersion, block: old.id })
    const { scope, label, schema, meta, metaAtMs, owner } = old
    const by = { origin, grantVersion, atMs }
    this.#create({ kind: 'create', ...by, scope, label, schema, meta, metaAtMs, owner, generation, initial })
    const block = this.lastBlock
    for (const change of entry.changes) this.#change({ ...change, origin, grantVersion, block })
    const made = this.blocks.get(block)
    return made === undefined ? refused('block-deleted') : { kind: 'stored', seq: this.lastSeq, block: toRow(made) }
  }

  #quarantine(entry: QuarantineEntry): AppendOutcome {
    const block = this.#block(entry.block)
    if (block === undefined || block.deletedSeq > 0) return refused('block-deleted')
    const seq = this.#nextSeq()
    block.visibleSeq = seq
    const fresh = entry.changes.filter(({ hash }) => !this.#isQuarantined(block.id, hash))
    for (const change of fresh) {
      block.heads.delete(change.hash)
      this.quarantined.push({ ...change, block: block.id, eventSeq: seq, atMs: entry.atMs })
    }
    block.changes -= fresh.length
    for (const { peer, reason } of entry.suspend) this.suspended.push({ peer, reason, atMs: entry.atMs })
    const data = { hashes: fresh.map(({ hash }) => hash) }
    this.events.push({ seq, block: block.id, kind: 'quarantine', origin: entry.origin, data })
    return { kind: 'stored', seq }
  }

  /** `seq` of the outcome is that of the last row; the rows have consecutive ones. */
  #release(entry: ReleaseEntry): AppendOutcome {
    const block = this.#block(entry.block)
    if (block === undefined || block.deletedSeq > 0) return refused('block-deleted')
    for (const { hash, seq: from, deps } of entry.changes) {
      if (!this.#isQuarantined(block.id, hash)) continue
      const to = this.#nextSeq()
      this.released.push({ block: block.id, hash, from, to })
      for (const dep of deps) block.heads.delete(dep)
      block.heads.add(hash)
      block.changes += 1
      block.visibleSeq = to
    }
    return { kind: 'stored', seq: this.lastSeq }
  }

  #setBack(entry: SetBackEntry): AppendOutcome {
    const { clock, damaged, row, until } = entry
    const known = undamaged(() => this.#block(row.id))
    if (known !== undefined && known.deletedSeq > 0) return refused('block-deleted')
    const isOutdated = known !== undefined && known.visibleSeq > until
    if (isOutdated || !damaged.every((seq) => this.#tables.isDamaged(seq))) return refused('wrong-state')
    // While its row could not be read, another one may have been made where it was.
    const newest = undamaged(() => this.#newestAt(row.address))
    if (known === undefined && newest !== undefined && newest.id !== row.id) return refused('address-taken')
    const seq = this.#nextSeq()
    const block = this.#remember({ ...fromRow(row), visibleSeq: seq })
    for (const each of clock) block.clock.set(each.actor, each)
    this.setBacks.push(entry)
    const data = { damaged: damaged.length, waiting: entry.waiting.length }
    this.events.push({ seq, block: row.id, kind: 'set-back', origin: entry.origin, data })
    return { kind: 'stored', seq, block: toRow(block) }
  }

  /** `seq` of the outcome is that of the last row; the rows have consecutive ones. */
  #return({ block: id, changes }: ReturnEntry): AppendOutcome {
    const block = this.#block(id)
    if (block === undefined || block.deletedSeq > 0) return refused('block-deleted')
    if (this.setBacks.some(({ row }) => row.id === id)) return refused('wrong-state')
    for (const { seq: from, signature, ...change } of changes) {
      const { actor, actorSeq: seq, hash } = change
      const to = this.#advance(block, { ...change, tip: { actor, seq, hash, signature } })
      this.returned.push({ block: id, from, to, ops: change.ops, content: change.content })
    }
    return { kind: 'stored', seq: this.lastSeq }
  }

  #isQuarantined(block: BlockId, hash: ChangeHash): boolean {
    const isSame = (row: { readonly block: BlockId; readonly hash: ChangeHash }): boolean =>
      row.block === block && row.hash === hash
    if (this.released.some(isSame)) return false
    return this.quarantined.some(isSame) || this.#tables.isQuarantined(block, hash)
  }

  #refuseChange(entry: Change): Refusal | undefined {
    const block = this.#block(entry.block)
    if (block === undefined || block.deletedSeq > 0) return 'block-deleted'
    if (this.setBacks.some(({ row }) => row.id === entry.block)) return 'missing-deps'
    if (this.#refusedHashes.size === 0) return undefined
    // What builds on a refused change would be a hole in the log, no matter whose it is.
    const builds =
      this.#refusedActors.has(`${entry.block} ${entry.actor}`) || entry.deps.some((dep) => this.#refusedHashes.has(dep))
    return builds ? 'missing-deps' : undefined
  }

  #change(entry: Change): AppendOutcome {
    const block = this.#block(entry.block)
    if (block === undefined) return refused('block-deleted')
    const seq = this.#advance(block, entry)
    this.changes.push({ seq, entry })
    return { kind: 'stored', seq }
  }

  /** The block with one more change. Answers its position. */
  #advance(block: PlannedBlock, change: PlacedChange): Seq {
    const seq = this.#nextSeq()
    for (const dep of change.deps) block.heads.delete(dep)
    block.heads.add(change.hash)
    const signature = change.tip?.signature ?? new Uint8Array()
    const { actor, actorSeq, hash, maxOp } = change
    block.clock.set(actor, { actor, seq: actorSeq, hash, maxOp, signature })
    block.visibleSeq = seq
    block.maxOp = Math.max(block.maxOp, maxOp)
    block.ops += change.ops
    block.gaps += change.gap
    block.changes += 1
    for (const row of change.objects) this.objects.push({ block: block.id, row })
    return seq
  }

  #nextSeq(): Seq {
    this.lastSeq += 1
    return this.lastSeq
  }

  #remember(block: PlannedBlock): PlannedBlock {
    this.blocks.set(block.id, block)
    this.#newest.set(block.address, block)
    return block
  }

  #block(id: BlockId): PlannedBlock | undefined {
    const known = this.blocks.get(id)
    if (known !== undefined) return known
    const row = this.#tables.block(id)
    if (row === undefined) return undefined
    const block = fromRow(row)
    this.blocks.set(id, block)
    return block
  }

  #newestAt(address: BlockAddress): PlannedBlock | undefined {
    const known = this.#newest.get(address)
    if (known !== undefined) return known
    const row = this.#tables.newestAt(address)
    // An earlier entry may have deleted it in this very plan: the copy that was changed is the one that counts.
    return row === undefined ? undefined : this.#remember(this.blocks.get(row.id) ?? fromRow(row))
  }
}
