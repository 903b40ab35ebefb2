/**
 * The log: opens an epoch, takes changes and blocks in, lets watchers and readers follow. Everything else that the
 * daemon knows about blocks is a view of it.
 */

import { MooringError } from '../../protocol/errors.ts'
import { formatAddress, type Label, type PeerId, type Scope } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/index.ts'
import { limits } from '../../protocol/limits.ts'
import type { BlockSchema } from '../../protocol/schemas/index.ts'
import type { Settlement } from '../../protocol/sync/index.ts'
import type { BlockMeta, BlockRow, Epoch, Origin, Storage } from '../storage/storage.ts'
import { Authors } from './authors.ts'
import { BlockIndex } from './block-index.ts'
import { Committer } from './committer.ts'
import { Ingest, type Submission } from './ingest.ts'
import { Ledgers } from './ledger.ts'
import { LogReader } from './log-reader.ts'
import { type LogGroup, Ring } from './ring.ts'
import type { WatcherComponents } from './watcher.ts'

export interface ChangeLogInit {
  readonly storage: Storage
  readonly clock: Clock
  readonly self: PeerId
  /** Every key that was ever approved. */
  peers(): Iterable<PeerId>
  /** @default 16 MiB */
  readonly ringBytes?: number
}

export interface CreateBlock {
  readonly origin: Origin
  readonly grantVersion: number
  readonly scope: Scope
  readonly label: Label
  readonly meta: BlockMeta
  readonly schema: BlockSchema
}

/** Made by {@link openChangeLog}: what is below exists only once the store was read. */
export class ChangeLog {
  readonly index: BlockIndex
  readonly watcherComponents: WatcherComponents
  /** How to end the open sync streams of each replica, oldest first, by peer and replica. */
  readonly streams = new Map<string, Set<(reason: MooringError) => void>>()
  readonly #init: ChangeLogInit
  readonly #committer: Committer
  readonly #ingest: Ingest
  /** Blocks that a peer is making: in no row yet, and counted like those that are. */
  readonly #creating = new Map<PeerId, number>()

  constructor(init: ChangeLogInit, state: { rows: readonly BlockRow[]; epochs: readonly Epoch[]; lastSeq: number }) {
    this.#init = init
    const { storage, clock, self } = init
    const index = new BlockIndex()
    index.load(state.rows)
    const ring = new Ring(state.lastSeq, init.ringBytes ?? 16 * 1024 * 1024)
    const committer = new Committer({ storage, index, ring }, state.lastSeq)
    const ledgers = new Ledgers(storage, () => committer.barrier())
    this.index = index
    this.#committer = committer
    this.#ingest = new Ingest({ self, index, ledgers, committer, clock })
    const reader = new LogReader(storage, new Authors(self, () => init.peers()))
    this.watcherComponents = { self, index, ring, reader, committer, epochs: state.epochs, clock }
  }

  /** The log may be read up to here. */
  get published(): number {
    return this.#committer.published
  }

  submit(submission: Submission): Promise<Settlement[]> {
    return this.#ingest.submit(submission)
  }

  /** The block at an address, made if there is none. @throws `address-taken`, `grant-changed`, `quota-exceeded` */
  async create({ origin, grantVersion, scope, label, meta, schema }: CreateBlock): Promise<BlockRow> {
    const existing = this.index.at(formatAddress(scope, label))
    if (existing !== undefined) {
      if (existing.schema !== schema.name) throw new MooringError('address-taken', { detail: existing.schema })
      return existing
    }
    const creating = this.#creating.get(origin.peer) ?? 0
    if (this.index.ownedBy(origin.peer) + creating >= limits.maxBlocksPerPeer) {
      throw new MooringError('quota-exceeded', { detail: 'maxBlocksPerPeer' })
    }
    this.#creating.set(origin.peer, creating + 1)
    try {
      return await this.#make({ origin, grantVersion, scope, label, meta, schema })
    } finally {
      const left = (this.#creating.get(origin.peer) ?? 1) - 1
      if (left > 0) this.#creating.set(origin.peer, left)
      else this.#creating.delete(origin.peer)
    }
  }

  async #make({ schema, ...block }: CreateBlock): Promise<BlockRow> {
    const atMs = this.#init.clock.nowMs()
    const initial = { ...schema.initial, signature: new Uint8Array() }
    const [outcome] = await this.#committer.submit([{ kind: 'create', ...block, schema: schema.name, atMs, initial }])
    if (outcome?.kind === 'refused') throw new MooringError(outcome.code)
    const row = outcome?.block
    if (row === undefined) throw new MooringError('internal', { detail: 'a create without a block' })
    return this.index.byId(row.id) ?? row
  }

  /** Told after each commit, in order. Listeners must not throw and must not wait. */
  onPublish(listener: (groups: readonly LogGroup[]) => void): () => void {
    return this.#committer.onPublish(listener)
  }

  /** Resolves when everything that was accepted is durable or refused. */
  settled(): Promise<void> {
    return this.#committer.barrier()
  }
}

/** Starts an epoch and reads what the log must know before it takes anything in. */
export async function openChangeLog(init: ChangeLogInit): Promise<ChangeLog> {
  await init.storage.openEpoch()
  const [rows, epochs, lastSeq] = await Promise.all([
    init.storage.blocks(),
    init.storage.epochs(),
    init.storage.lastSeq(),
  ])
  return new ChangeLog(init, { rows, epochs, lastSeq })
}
