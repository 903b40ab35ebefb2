/**
 * A watcher is a cursor on the log. One loop does everything that is sent: it introduces blocks, then reads the log from
 * its own position, from the ring at the tail or from disk behind it. Lag, resume and first sync are this one path, so
 * frames of one block keep log order and no queue grows with a slow reader.
 */
import type { BlockAddress } from '../../protocol/ids.ts'
import type { DiallerFrame, Frame } from '../../protocol/sync/index.ts'
import type { BlockId, BlockRow, Seq } from '../storage/storage.ts'
import { BlockContent, someAtOnce } from './block-content.ts'
import { BlockEvents } from './block-events.ts'
import { BlockSender } from './block-sender.ts'
import { CursorIssuer } from './cursor-issuer.ts'
import { Jobs } from './jobs.ts'
import type { LogReader } from './log-reader.ts'
import { Opening } from './opening.ts'
import { type Clock, Possession } from './possession.ts'
import { Reconciliation } from './reconciliation.ts'
import { joinGroups, type LogGroup } from './ring.ts'
import { WatchList } from './watch-list.ts'
import type { WatcherComponents, WatcherInit } from './watcher-components.ts'

export class Watcher {
  readonly #components: WatcherComponents
  readonly #init: WatcherInit
  readonly #sender: BlockSender
  readonly #content: BlockContent
  readonly #cursors: CursorIssuer
  readonly #events: BlockEvents
  readonly #reader: LogReader
  readonly #watches: WatchList
  /** Blocks whose content the replica has up to `#position`. */
  readonly #following = new Set<BlockId>()
  /** Blocks whose content was sent beyond `#position`, and up to where: the log brings it once more. */
  readonly #ahead = new Map<BlockId, Seq>()
  /** Newest seq of the replica's own actors that it holds: never sent back to it. */
  readonly #own: Possession
  readonly #jobs: Jobs
  /** While the replica says what it has. */
  #reconciling: Reconciliation | undefined
  #opening: Opening | undefined
  #isUnwatched = false
  #position: Seq = 0
  #isOpen = false
  readonly #isToFollow = ({ address, createdSeq, id }: BlockRow): boolean =>
    !this.#following.has(id) && createdSeq <= this.#position && this.#watches.matches(address)

  constructor(components: WatcherComponents, init: WatcherInit) {
    this.#components = components
    this.#init = init
    const { holding, signal } = init
    this.#jobs = new Jobs(signal)
    this.#own = new Possession(holding)
    this.#watches = new WatchList({ index: components.index, holding, grants: () => init.grants() })
    const { clock, epochs, index, pace, quarantine, resupply, seals, self } = components
    const reader = components.reader.of(init.origin.peer)
    this.#reader = reader
    this.#sender = new BlockSender({
      ...{ self, index, pace, quarantine, reader, resupply, seals, signal, holding, own: this.#own },
      ...{ session: init.session, origin: init.origin, supplier: init.supplier },
      mayRead: (address) => this.#watches.mayRead(address),
      apply: (effects) => init.apply(effects),
      drained: () => init.drained(),
      changed: () => this.#jobs.sleep(),
    })
    this.#content = new BlockContent({ index, quarantine, reader, sender: this.#sender, signal })
    this.#events = new BlockEvents({
      ...{ components, sender: this.#sender, watches: this.#watches, following: this.#following },
      moveTo: (position) => this.#moveTo(position),
      send: (row) => this.#send(row.id),
    })
    const cursors = { view: () => this.#watches.view(), hasMore: () => init.hasMore(), onDue: () => this.wake() }
    this.#cursors = new CursorIssuer({ clock, epochs, ...cursors })
  }

  /** Runs until the signal; throws what reading the log throws. */
  async run(): Promise<void> {
    const stop = this.#components.fanOut.onMore(() => this.wake())
    try {
      while (!this.#init.signal.aborted) {
        const asked = this.#nextAsked()
        if (asked !== undefined) await asked
        else if (this.#isOpen && this.#watches.isDue) await this.#look()
        else if (this.#isOpen && this.#position < this.#components.fanOut.position) await this.#advance()
        else await this.#rest()
      }
    } finally {
      stop()
      this.#cursors.stop()
    }
  }

  wake(): void {
    this.#jobs.wake()
  }

  /** What `open` says, in as many parts as that takes. @throws `quota-exceeded` */
  open(frame: Frame<DiallerFrame, 'open'> | Frame<DiallerFrame, 'open-more'>): void {
    if (frame.t === 'open') {
      const { index } = this.#components
      const parts = { index, reader: this.#reader, own: this.#own, watches: this.#watches }
      this.#opening = new Opening(frame, { ...this.#init, ...parts })
    }
    const opening = this.#opening
    opening?.name(frame)
    if (opening === undefined || (frame.t === 'open' ? frame.more === true : !frame.last)) return
    this.#opening = undefined
    // As of now: what is watched while this waits is none of what the cursor was given for.
    const watched = { view: this.#watches.view(), rows: this.#watches.dueRows() }
    this.#jobs.add(() => this.#begin(opening, watched))
  }

  /** @throws `quota-exceeded` */
  have(frame: Frame<DiallerFrame, 'have'>): void {
    this.#reconciling?.add(frame)
    this.wake()
  }

  /** @throws `quota-exceeded` */
  watch(pattern: string): void {
    if (this.#watches.add(pattern)) this.wake()
  }

  /** However often, what is followed is looked at once. */
  unwatch(pattern: string): void {
    if (!this.#watches.delete(pattern)) return
    this.#isUnwatched = true
    this.wake()
  }

  /** Looks again which blocks are to be sent: the grant has become wider. However often, it is one look. */
  rescan(): void {
    this.#watches.setDue()
    this.wake()
  }

  /** Answers a `create`: introduces the block under the handle that was asked for. @throws `quota-exceeded` */
  introduce(row: BlockRow, { handle: asked, generation }: Frame<DiallerFrame, 'create'>): void {
    this.#jobs.add(async () => {
      const introduce = (): Promise<void> => this.#sender.introduce(row, { asked })
      // In place of another one: after the replica is told what of that is nowhere else.
      const isOther = generation !== undefined && generation !== row.generation
      if (isOther && this.#reconciling !== undefined) this.#reconciling.later(introduce)
      else await introduce()
    })
  }

  /** A generation that the replica holds does not come back: it is sent what there is. @throws `quota-exceeded` */
  stay(address: BlockAddress): void {
    this.#jobs.add(async () => {
      this.#sender.claims.refuse(address)
      // What was issued meanwhile spoke for less than the replica has from now on.
      this.#cursors.expire()
      const row = this.#components.index.at(address)
      if (row !== undefined && this.#isOpen) await this.#follow(row)
    })
  }

  /** The replica sent these itself: it is never sent them again. */
  submitted(block: BlockId, actor: string, seq: number): void {
    this.#own.add(block, actor, seq)
  }

  /** What was asked for is answered before anything else is sent; begun here. */
  #nextAsked(): Promise<void> | undefined {
    return this.#jobs.next() ?? (this.#isUnwatched ? this.#letGo() : undefined)
  }

  /** Says of each block that is not watched any more that it is gone. */
  async #letGo(): Promise<void> {
    this.#isUnwatched = false
    for (const id of [...this.#following]) {
      await this.#sender.turn()
      const row = this.#components.index.byId(id)
      if (row === undefined || this.#watches.matches(row.address)) continue
      this.#following.delete(id)
      this.#init.apply(this.#init.session.gone(row.address, 'no-match', { block: id }))
    }
  }

  async #begin(opening: Opening, { view, rows }: { view: string; rows: Iterable<BlockRow> }): Promise<void> {
    const { epochs, fanOut } = this.#components
    const published = fanOut.flush()
    const from = opening.resumeFrom(view, epochs, published)
    if (from !== undefined) {
      await this.#resume(from, rows)
      await opening.tellLost()
      return
    }
    this.#position = published
    this.#isOpen = true
    this.#watches.setDue()
    await this.#look(opening.isKnown ? () => this.#reconcile() : undefined)
  }

  async #resume(position: Seq, rows: Iterable<BlockRow>): Promise<void> {
    const { fanOut, index } = this.#components
    this.#position = position
    this.#sender.progress.expect(fanOut.position - position)
    this.#isOpen = true
    // The cursor speaks of what could be read when it was checked: what becomes readable during the waits is sent whole.
    const matches = this.#watches.matcher()
    for (const row of rows) {
      await this.#sender.turn()
      if (row.createdSeq > position || !matches(row.address)) continue
      this.#following.add(row.id)
      // Quiet blocks need no handle until someone writes; blocks the replica has own changes in get their answer.
      if (row.visibleSeq > position || this.#own.of(row.id) !== undefined) await this.#sender.introduceOnce(row)
    }
    // What was deleted meanwhile, or during the waits, is followed up to its deletion, so that the replica is told of it.
    for (const { kind, block } of index.events(position, fanOut.position)) {
      const row = kind === 'deleted' ? index.byId(block) : undefined
      if (row !== undefined && row.createdSeq <= position && matches(row.address)) this.#following.add(block)
    }
  }

  async #look(first = async (): Promise<void> => {}): Promise<void> {
    this.#cursors.expire()
    const due = this.#watches.dueRows()
    for (const row of due) {
      await this.#sender.turn()
      if (this.#isToFollow(row)) this.#sender.progress.expect(row.changes)
    }
    await first()
    for (const rows of someAtOnce(due)) {
      await this.#content.prepare(rows.filter(this.#isToFollow), this.#position)
      for (const row of rows) await this.#follow(row)
    }
  }

  /** Asks the replica what it has and answers that, until it has said all of it. */
  async #reconcile(): Promise<void> {
    const reconciling = new Reconciliation({
      ...{ components: this.#components, watcher: this.#init, sender: this.#sender, watches: this.#watches },
      reader: this.#reader,
      follow: (row, clock) => this.#follow(row, clock),
      position: () => this.#position,
    })
    this.#reconciling = reconciling
    reconciling.begin()
    // No wait between looking and sleeping: what comes in it would wake nobody.
    while (!reconciling.isDone && !this.#init.signal.aborted) {
      await (this.#nextAsked() ?? reconciling.next() ?? this.#jobs.sleep())
    }
    this.#reconciling = undefined
    await reconciling.end()
  }

  /** Sends a block up to the present position; from there on the log carries it. */
  async #follow(row: BlockRow, clock?: Clock): Promise<void> {
    await this.#sender.turn()
    if (!this.#isToFollow(row) || this.#sender.withholds(row)) return
    this.#following.add(row.id)
    // Also when it has a handle: the replica may have been told that the block is gone.
    await this.#sender.introduce(row)
    await this.#send(row.id, clock)
  }

  /** One page of the log, from the ring or from disk. */
  async #advance(): Promise<void> {
    const { fanOut, index, ring } = this.#components
    const present = ring.after(this.#position)
    if (present !== undefined) return this.#pass(present, fanOut.position)
    const { groups, next } = await this.#reader.page(this.#position, fanOut.position)
    // Looked at after the page was read: what was folded away by then is not in it.
    for (const block of [...index.foldedAfter(this.#position)]) {
      const isBehind = (this.#ahead.get(block) ?? 0) < (index.byId(block)?.horizonSeq ?? 0)
      if (!this.#following.has(block) || !isBehind) continue
      this.#sender.progress.expect(index.byId(block)?.changes ?? 0)
      await this.#send(block)
    }
    await this.#pass(groups, next)
  }

  async #pass(groups: readonly LogGroup[], until: Seq): Promise<void> {
    for (const group of joinGroups(groups)) {
      await this.#events.tell(this.#position, group.firstSeq)
      await this.#sendGroup(group)
      // A group that was read from disk may span the events of other blocks.
      await this.#events.tell(this.#position, group.lastSeq)
      this.#moveTo(group.lastSeq, group.bytes)
      if (this.#init.signal.aborted || !this.#jobs.isEmpty || this.#isUnwatched || this.#watches.isDue) return
    }
    await this.#events.tell(this.#position, until)
    this.#moveTo(until)
  }

  /** Sends what the replica lacks of a block, also of what is no row any more; from there on the log carries it. */
  async #send(block: BlockId, held?: Clock): Promise<void> {
    this.#ahead.set(block, await this.#content.send(block, this.#position, held))
  }

  #moveTo(position: Seq, bytes = 0): void {
    if (position <= this.#position) return
    this.#sender.progress.sent(position - this.#position, bytes)
    this.#position = position
  }

  async #sendGroup(group: LogGroup): Promise<void> {
    await this.#sender.turn()
    // Nobody needs what was in a block that is deleted by now.
    if (!this.#following.has(group.block) || this.#components.index.byId(group.block)?.deletedSeq !== 0) return
    const ahead = this.#ahead.get(group.block) ?? 0
    const rest = group.without(({ seq }) => seq <= ahead)
    if (rest !== undefined) await this.#sender.group(rest)
  }

  /** At the tail: a cursor if one is due, then waits for something to do. */
  async #rest(): Promise<void> {
    this.#ahead.clear()
    this.#sender.progress.end()
    const cursor = this.#isOpen ? this.#cursors.issue(this.#position) : undefined
    if (cursor !== undefined) this.#init.apply(this.#init.session.synced(cursor))
    await this.#jobs.sleep()
  }
}
