/**
 * How one replica is sent blocks: introduced, as a snapshot, as groups of the log. Keeps true: bytes wait for credit and
 * for the stream, and a long run of work lets everyone else have a turn.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { ActorId, BlockAddress, PeerId } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { type ListenerEffect, type ListenerSession, ownsActor } from '../../protocol/sync/index.ts'
import type { BlockId, BlockRow, Origin, QuarantineRow, Seq } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import { Claims } from './claims.ts'
import type { Holding } from './holdings.ts'
import type { LogReader } from './log-reader.ts'
import type { Pace } from './pace.ts'
import type { Clock, Possession } from './possession.ts'
import type { Quarantine } from './quarantine.ts'
import type { Resupply, Supplier } from './resupply.ts'
import type { LogGroup } from './ring.ts'
import type { Seals } from './seals.ts'
import { SendProgress } from './send-progress.ts'

export interface BlockSenderInit {
  readonly self: PeerId
  readonly origin: Origin
  readonly session: ListenerSession
  readonly index: BlockIndex
  readonly quarantine: Quarantine
  readonly reader: LogReader
  readonly holding: Holding
  readonly pace: Pace
  /** What the replica said it holds of its own actors. */
  readonly own: Possession
  readonly resupply: Resupply
  readonly seals: Seals
  /** Whether the replica may read there, and not only write. */
  mayRead(address: BlockAddress): boolean
  /** The replica, when it may be asked for what is lost. */
  readonly supplier: Supplier
  readonly signal: AbortSignal
  apply(effects: readonly ListenerEffect[]): void
  /** Resolves when the stream takes more. */
  drained(): Promise<void>
  /** Resolves when something changed, credit among it. */
  changed(): Promise<void>
}

export class BlockSender {
  readonly #init: BlockSenderInit
  readonly claims: Claims
  readonly progress: SendProgress
  /** Position of what the replica was told of the metadata of a block. */
  readonly #described = new Map<BlockId, Seq>()

  constructor(init: BlockSenderInit) {
    this.#init = init
    this.claims = new Claims(init.holding)
    this.progress = new SendProgress((done, total) => init.apply(init.session.progress(done, total)))
  }

  /** Before each step, so that everyone else has a turn. */
  turn(): Promise<void> {
    return this.#init.pace.step()
  }

  /**
   * Introduces the block, under the dialler's handle when it asked for it; not what is deleted by now, because a replica
   * that knows the next generation would take this daemon for one that has lost it.
   */
  async introduce(row: BlockRow, { asked }: { asked?: number } = {}): Promise<void> {
    const named = this.claims.take(row)
    const { index, mayRead, origin, own, reader, resupply, seals, self, session, supplier } = this.#init
    const mine = own.of(row.id)
    // What the log holds of the replica's actors that it named; the rest of them it sends again.
    const actors = new Set([...(mine?.keys() ?? []), ...(named?.keys() ?? [])] as ActorId[])
    const clock = actors.size === 0 ? [] : await reader.clock(row.id, actors)
    const held = clock.filter(({ actor }) => {
      return mine?.has(actor) || (named?.has(actor) && ownsActor(self, origin.peer, actor))
    })
    const told = held.map(({ actor, seq }) => ({ actor, seq }))
    const present = index.at(row.address)
    if (present?.id !== row.id) {
      if (asked !== undefined) this.#init.apply(session.refuseHandle(asked, new MooringError('block-deleted')))
      return
    }
    // As it is by now: said later, it must not take back what a frame of its own said meanwhile.
    const { meta, metaAtMs, metaSeq: seq } = present
    // To write is not to read. What such a replica holds is true as well, of before anything was said.
    const said = mayRead(row.address) ? { ...row, meta, metaAtMs } : { ...row, meta: {}, metaAtMs: 0 }
    this.#described.set(row.id, seq)
    this.#init.apply(session.block(row.id, { ...said, seal: seals.of(said), seq }, told, asked))
    if (named !== undefined) resupply.offer(supplier, row.id, named, clock)
  }

  /** Gives the block a handle, unless it has one. */
  async introduceOnce(row: BlockRow): Promise<void> {
    if (!this.isIntroduced(row.id)) await this.introduce(row)
  }

  /**
   * Whether the replica holds a later generation of the address: it is asked for that, and not shown this one before it
   * has brought it back, or has been refused.
   */
  withholds(row: BlockRow): boolean {
    const { apply, session } = this.#init
    if (!this.claims.outranks(row)) return false
    if (this.claims.ask(row.address)) apply(session.gone(row.address, 'unknown'))
    return true
  }

  isIntroduced(block: BlockId): boolean {
    return this.#init.session.handleOf(block) !== undefined
  }

  async snapshot(block: BlockId, bytes: Uint8Array, onSent: (bytes: number) => void): Promise<void> {
    const tips = await this.#init.reader.tips(block)
    for (let offset = 0; offset < bytes.byteLength && !this.#init.signal.aborted; offset += limits.maxChunkBytes) {
      await this.writable()
      const piece = bytes.subarray(offset, offset + limits.maxChunkBytes)
      const isLast = offset + limits.maxChunkBytes >= bytes.byteLength
      this.#init.apply(this.#init.session.chunk(block, piece, isLast ? tips : undefined))
      onSent(piece.byteLength)
    }
  }

  /** Sends a group less what is set aside and what the replica holds. `named`: what `have` said that it holds. */
  async group(group: LogGroup, named?: Clock): Promise<void> {
    const { index, quarantine, session, signal } = this.#init
    const sound = group.without((item) => quarantine.hasRow(group.block, item.seq))
    const lacks = sound === undefined ? undefined : this.#lacking(sound, named)
    if (lacks === undefined) return
    await this.writable()
    const row = index.byId(group.block)
    if (row === undefined || signal.aborted) return
    if (!this.isIntroduced(row.id)) await this.introduce(row)
    if (!this.isIntroduced(row.id)) return
    this.#init.apply(session.delta(lacks.block, lacks.lastSeq, lacks.run(session.runEncoding), lacks.tips))
  }

  /** The group less what the replica holds: its own actors, what it sent, and what `have` said; undefined for nothing. */
  #lacking(group: LogGroup, named: Clock | undefined): LogGroup | undefined {
    // Whoever sent it: another replica may have supplied what this one wrote.
    const mine = this.#init.own.of(group.block)
    if (mine === undefined && named === undefined) return group
    return group.without(({ actor, actorSeq }) => {
      return actorSeq <= Math.max(mine?.get(actor) ?? 0, named?.get(actor) ?? 0)
    })
  }

  /**
   * Says which changes were set aside, also to who never got them. The replica may drop them, so what it was said to
   * hold of those actors ends before them: once released they are sent like anything new.
   */
  quarantined(block: BlockId, aside: readonly QuarantineRow[]): void {
    if (!this.isIntroduced(block)) return
    for (const { hash, actor, actorSeq, eventSeq } of aside) {
      this.#init.own.cut(block, actor, actorSeq - 1)
      this.#init.apply(this.#init.session.quarantined(block, hash, eventSeq))
    }
  }

  /** Says what is said of a block beside its content by now, unless the replica was told. */
  async described(row: BlockRow): Promise<void> {
    if (!this.isIntroduced(row.id)) return this.introduce(row)
    const { apply, seals, session } = this.#init
    const { id, meta, metaAtMs, metaSeq: seq } = row
    if ((this.#described.get(id) ?? 0) >= seq) return
    this.#described.set(id, seq)
    apply(session.meta(id, { meta, metaAtMs, seal: seals.of(row), seq }))
  }

  /**
   * Told also to who has no right to read, whether or not it has a handle: it would write on to a block that is no more. Not
   * to who holds a later generation, and would take it to be meant.
   */
  deleted(row: BlockRow, seq: Seq, { isFollowed, isWritten }: { isFollowed: boolean; isWritten: boolean }): void {
    if (!isFollowed && !this.isIntroduced(row.id) && (!isWritten || this.claims.outranks(row))) return
    const next = this.#init.index.at(row.address)
    // The next generation says so by itself, and who has heard of that one would take it to be meant.
    if (next !== undefined && (isFollowed || this.isIntroduced(next.id))) return
    this.#init.apply(this.#init.session.gone(row.address, 'deleted', { block: row.id, seq }))
  }

  /** Waits for credit and for the stream; control frames never wait here. */
  async writable(): Promise<void> {
    await this.#init.drained()
    while (this.#init.session.sendCredit <= 0 && !this.#init.signal.aborted) await this.#init.changed()
  }
}
