/**
 * Sends one block as far as a replica lacks it: the rows of the log, and for those that are no rows any more the snapshot
 * that stands for them. Keeps: nothing is left out, whatever is folded away while it runs.
 */
import { MooringError } from '../../protocol/errors.ts'
import { initialChangeHashes } from '../../protocol/schemas/index.ts'
import type { BlockId, BlockRow, Seq } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import type { BlockSender } from './block-sender.ts'
import type { GroupPage, LogReader } from './log-reader.ts'
import type { Clock } from './possession.ts'
import type { Quarantine } from './quarantine.ts'
import type { LogGroup } from './ring.ts'

export interface BlockContentInit {
  readonly index: BlockIndex
  readonly quarantine: Quarantine
  readonly reader: LogReader
  readonly sender: BlockSender
  readonly signal: AbortSignal
}

/** A block is short with so many changes: they are sent as they are, and no snapshot of them is looked for. */
const maxShortChanges = 64
const preparedAtOnce = 64

export class BlockContent {
  readonly #init: BlockContentInit
  /** All rows of short blocks up to a position, read beforehand. */
  #short: { readonly until: Seq; readonly groups: Map<BlockId, readonly LogGroup[]> } | undefined

  constructor(init: BlockContentInit) {
    this.#init = init
  }

  /**
   * Reads the short ones among blocks that are going to be sent, in one read: one for each would be most of what they cost.
   *
   * @throws what reading throws
   */
  async prepare(rows: readonly BlockRow[], until: Seq): Promise<void> {
    this.#short = undefined
    const short = rows.filter(({ horizonSeq, changes }) => horizonSeq === 0 && changes <= maxShortChanges)
    if (short.length < 2) return
    const { groups, next } = await this.#init.reader.page(
      0,
      until,
      short.map(({ id }) => id),
    )
    const ofBlock = Map.groupBy(groups, ({ block }) => block)
    const whole = short.filter(({ visibleSeq }) => next === until || visibleSeq <= next)
    this.#short = { until, groups: new Map(whole.map(({ id }) => [id, ofBlock.get(id) ?? []])) }
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
    const sending = this.#init.sender.progress.part(row?.changes ?? 0, async () => {
      let from = named === undefined ? undefined : await this.#heldUpTo(block, named)
      for (;;) {
        const after = from ?? (await this.#snapshot(block))
        const until = Math.max(position, after)
        if (await this.#rows(block, { after, until }, named)) return until
        from = undefined
      }
    })
    return sending.catch((error) => {
      // Once it is put together from what is left, the replica is told, and asked what it has.
      if (isDamage(error)) return position
      throw error
    })
  }

  /** False when rows that were not read yet are gone: the snapshot that stands for them is newer than what was sent. */
  async #rows(block: BlockId, range: { after: Seq; until: Seq }, named: Clock | undefined): Promise<boolean> {
    const { reader, sender, signal } = this.#init
    for (let { after } = range; after < range.until; ) {
      const { groups, next } =
        this.#prepared(block, after, range.until) ?? (await reader.page(after, range.until, block))
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

  #prepared(block: BlockId, after: Seq, until: Seq): GroupPage | undefined {
    const groups = after === 0 && this.#short?.until === until ? this.#short.groups.get(block) : undefined
    // Once: what is sent need not be held any longer.
    this.#short?.groups.delete(block)
    return groups === undefined ? undefined : { groups, next: until }
  }

  /** Sends the stored snapshot, if there is one; answers where it ends. */
  async #snapshot(block: BlockId): Promise<Seq> {
    const { index, reader, sender } = this.#init
    const horizon = this.#horizon(block)
    if (horizon === 0 && this.#short?.groups.has(block)) return 0
    // Nobody needs a damaged one while the rows are there.
    const stored = await reader.snapshot(block).catch((error) => {
      if (horizon === 0 && isDamage(error)) return undefined
      throw error
    })
    // Never to be passed over: the rows are gone, and what follows builds on them.
    if ((stored?.seq ?? 0) < horizon) throw new MooringError('block-damaged', { detail: 'the snapshot is gone' })
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

const isDamage = (error: unknown): boolean => error instanceof MooringError && error.code === 'block-damaged'

/** As many at a time as are looked at before they are sent. */
export function* someAtOnce(rows: Iterable<BlockRow>): Generator<readonly BlockRow[]> {
  let some: BlockRow[] = []
  for (const row of rows) {
    if (some.push(row) < preparedAtOnce) continue
    yield some
    some = []
  }
  if (some.length > 0) yield some
}
