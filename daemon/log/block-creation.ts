/**
 * Makes blocks, and brings generations back that the store has lost. Keeps: one that was deleted is not made again by who
 * does not know of it, and nothing comes back but what this daemon itself once said that there is.
 */
import { type BlockMeta, wholeMeta } from '../../protocol/block-meta.ts'
import { MooringError } from '../../protocol/errors.ts'
import { type BlockAddress, formatAddress, type Label, type PeerId, type Scope } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/index.ts'
import { type BlockSchema, checkOptions } from '../../protocol/schemas/index.ts'
import type { BlockRow, CreateEntry, Origin } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import type { Committer } from './committer.ts'
import { suspendedError } from './ingest.ts'
import type { Quarantine } from './quarantine.ts'
import { fullRetryMs } from './quotas.ts'
import type { Seals } from './seals.ts'

export interface CreateBlock {
  readonly origin: Origin
  readonly grantVersion: number
  readonly scope: Scope
  readonly label: Label
  readonly meta: BlockMeta
  readonly schema: BlockSchema
  /** The generation that the peer knew: deleted meanwhile, it is not made again. */
  readonly known?: number | undefined
  /** What the daemon said of that generation, with the schema and the metadata above. */
  readonly sealed?:
    | {
        readonly owner: PeerId
        readonly createdAtMs: number
        readonly metaAtMs: number
        readonly seal: Uint8Array
      }
    | undefined
}

export interface BlockCreationInit {
  readonly index: BlockIndex
  readonly committer: Committer
  readonly quarantine: Quarantine
  readonly seals: Seals
  /** Who the daemon's own entries come from. */
  readonly own: { readonly origin: Origin; readonly grantVersion: number }
  readonly clock: Clock
  readonly maxBlocksPerPeer: number
}

export class BlockCreation {
  readonly #init: BlockCreationInit
  /** Blocks that a peer is making: in no row yet, and counted like those that are. */
  readonly #creating = new Map<PeerId, number>()

  constructor(init: BlockCreationInit) {
    this.#init = init
  }

  /**
   * The block at an address, made if there is none.
   * @throws `address-taken`, `block-deleted`, `generation-lost`, `grant-changed`, `invalid-input`, `quota-exceeded`, `suspended`
   */
  async create(block: CreateBlock): Promise<BlockRow> {
    const { index, maxBlocksPerPeer } = this.#init
    const { origin, schema, known } = block
    const address = formatAddress(block.scope, block.label)
    if (known !== undefined && known > index.generationOf(address)) return this.#bringBack(address, known, block)
    const existing = index.at(address)
    if (existing !== undefined) {
      if (existing.schema !== schema.name) throw new MooringError('address-taken', { detail: existing.schema })
      return existing.generation === known ? this.#remember(existing, block) : existing
    }
    if (known !== undefined) throw new MooringError('block-deleted')
    checkOptions(schema.name, block.meta.options)
    this.#checkSuspension(origin.peer)
    const creating = this.#creating.get(origin.peer) ?? 0
    if (index.ownedBy(origin.peer) + creating >= maxBlocksPerPeer) {
      const detail = 'maxBlocksPerPeer: a block of its own has to be deleted first, or quota.peer_blocks raised'
      throw new MooringError('quota-exceeded', { detail, retryAfterMs: fullRetryMs })
    }
    index.optionsRoom.check(origin.peer, undefined, block.meta)
    this.#creating.set(origin.peer, creating + 1)
    // Taken up before the row is there, and once more by it.
    index.optionsRoom.replace(origin.peer, undefined, block.meta)
    try {
      return await this.#make(block)
    } finally {
      index.optionsRoom.replace(origin.peer, block.meta, undefined)
      const left = (this.#creating.get(origin.peer) ?? 1) - 1
      if (left > 0) this.#creating.set(origin.peer, left)
      else this.#creating.delete(origin.peer)
    }
  }

  /** In place of an older one that lives. It counts for its owner, who had it: whoever brings it gains nothing. */
  #bringBack(address: BlockAddress, generation: number, block: CreateBlock): Promise<BlockRow> {
    const { meta, origin, schema, sealed } = block
    const { seals } = this.#init
    if (sealed === undefined) throw new MooringError('generation-lost')
    const { owner, createdAtMs, metaAtMs, seal } = sealed
    const claimed = { address, generation, schema: schema.name, owner, meta, createdAtMs, metaAtMs }
    if (!seals.fits(claimed, seal)) throw new MooringError('generation-lost')
    this.#checkSuspension(origin.peer)
    // Brought by who was not told of it, it is open to whoever was.
    return this.#make(block, { generation, owner, atMs: createdAtMs, metaAtMs: Math.max(metaAtMs, 1) })
  }

  /** What this daemon said of a block later than it knows counts again; whoever says so, it is the daemon's own word. */
  async #remember(row: BlockRow, { meta, sealed }: CreateBlock): Promise<BlockRow> {
    if (sealed === undefined || sealed.metaAtMs <= row.metaAtMs) return row
    const { owner, createdAtMs, metaAtMs, seal } = sealed
    const { committer, index, own, seals } = this.#init
    const isOwn = seals.fits({ ...row, owner, createdAtMs, meta, metaAtMs }, seal)
    if (!isOwn) return row
    await committer.submit([
      { kind: 'meta', ...own, block: row.id, patch: wholeMeta(meta), atMs: metaAtMs, isRecalled: true },
    ])
    return index.byId(row.id) ?? row
  }

  #checkSuspension(peer: PeerId): void {
    const suspension = this.#init.quarantine.suspension(peer)
    if (suspension !== undefined) throw suspendedError(suspension)
  }

  async #make(
    block: CreateBlock,
    lost: Partial<Pick<CreateEntry, 'generation' | 'owner' | 'atMs' | 'metaAtMs'>> = {},
  ): Promise<BlockRow> {
    const { clock, committer, index } = this.#init
    const { origin, grantVersion, scope, label, meta, schema } = block
    const initial = { ...schema.initial, signature: new Uint8Array() }
    const made = { origin, grantVersion, scope, label, meta, schema: schema.name, atMs: clock.nowMs(), initial }
    const [outcome] = await committer.submit([{ kind: 'create', ...made, ...lost }])
    if (outcome?.kind === 'refused') throw new MooringError(outcome.code)
    const row = outcome?.block
    if (row === undefined) throw new MooringError('internal', { detail: 'a create without a block' })
    return index.byId(row.id) ?? row
  }
}
