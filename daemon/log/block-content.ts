/**
 * Sends one block as far as a replica lacks it: the rows of the log, and for those that are no rows any more the snapshot
 * that stands for them. Keeps: nothing is left out, whatever is folded away while it runs.
 */
import { MooringError } from '../../protocol/errors.ts'
import { initialChangeHashes } from '../../protocol/schemas/index.ts'
import type { BlockId, Seq } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import type { BlockSender } from './block-sender.ts'
import type { LogReader } from './log-reader.ts'
import type { Clock } from './possession.ts'
import type { Quarantine } from './quarantine.ts'

export interface BlockContentInit {
  readonly index: BlockIndex
  readonly quarantine: Quarantine
  readonly reader: LogReader
  readonly sender: BlockSender
  readonly signal: AbortSignal
}

export class BlockContent {
  readonly #init: BlockContentInit

  constructor(init: BlockContentInit) {
    this.#init = init
  }

  /**
   * Sends what the replica lacks of a block, introduced if it was not, up to `position` or beyond; answers up to where it then
   * has it. `named`: what `have` said that it holds.
   *
   * @throws what reading throws
   */
  async send(block: BlockId, position: Seq, named?: Clock): Promise<Seq> {
    const row = this.#init.index.byId(block)
    if (row !== undefined && !this.#init.sender.isIntroduced(block)) await this.#init.sender.introduce(row)
    // Deleted by now: the log tells of that.
    if (!this.#init.sender.isIntroduced(block)) return position
    return this.#init.sender.progress.part(row?.changes ?? 0, async () => {
      let from = named === undefined ? undefined : await this.#heldUpTo(block, named)
      for (;;) {
        const after = from ?? (await this.#snapshot(block))
        const until = Math.max(position, after)
        if (await this.#rows(block, { after, until }, named)) return until
        from = undefined
      }
    })
  }

  /** False when rows that were not read yet are gone: the snapshot that stands for them is newer than what was sent. */
  async #rows(block: BlockId, range: { after: Seq; until: Seq }, named: Clock | undefined): Promise<boolean> {
    const { reader, sender, signal } = this.#init
    for (let { after } = range; after < range.until; ) {
      const { groups, next } = await reader.page(after, range.until, block)
      // Looked at after the page was read: what was folded away by then is not in it.
      if (this.#horizon(block) > after) return false
      for (const group of groups) {
        await sender.turn()
        await sender.group(group, named)
        sender.progress.sent(group.items.length, group.bytes)
        if (signal.aborted) return true
      }
      after = next
    }
    return true
  }

  /** Sends the stored snapshot, if there is one; answers where it ends. */
  async #snapshot(block: BlockId): Promise<Seq> {
    const { index, reader, sender } = this.#init
    const horizon = this.#horizon(block)
    const stored = await reader.snapshot(block)
    // Never to be passed over: the rows are gone, and what follows builds on them.
    if ((stored?.seq ?? 0) < horizon) throw new MooringError('database-corrupt', { detail: 'a snapshot is missing' })
    if (stored === undefined) return 0
    const changesPerByte = (index.byId(block)?.changes ?? 0) / stored.bytes.byteLength
    await sender.snapshot(block, stored.bytes, (bytes) => sender.progress.sent(bytes * changesPerByte, bytes))
    return stored.seq
  }

  /**
   * Up to where no row has to be read, because the replica holds all that is no row any more; undefined when it may lack
   * some of that. What an actor had at the horizon is what came before its first row after it.
   */
  async #heldUpTo(block: BlockId, named: Clock): Promise<Seq | undefined> {
    const horizon = this.#horizon(block)
    if (horizon === 0) return 0
    const { quarantine, reader } = this.#init
    // In this order: what is written in between has its first row after the horizon, and so is not asked for here.
    const folded = new Map((await reader.clock(block)).map(({ actor, seq, hash }) => [actor, { seq, hash }]))
    const later = [...(await reader.firstAfter(block, horizon)), ...quarantine.rows(block)]
    for (const { actor, actorSeq } of later) {
      const known = folded.get(actor)
      if (known !== undefined && known.seq >= actorSeq) folded.set(actor, { ...known, seq: actorSeq - 1 })
    }
    for (const [actor, { seq, hash }] of folded) {
      if ((named.get(actor) ?? 0) < seq && !initialChangeHashes.has(hash)) return undefined
    }
    return horizon
  }

  #horizon(block: BlockId): Seq {
    return this.#init.index.byId(block)?.horizonSeq ?? 0
  }
}
