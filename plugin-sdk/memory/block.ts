/**
 * One block in memory: its document, what arrived and is not applied yet, and the changes made here that the daemon has
 * not settled. A local change never waits; what arrives is applied in batches, because one call costs time proportional
 * to the document however many changes it brings, and not at all before somebody looks.
 */
import * as A from '@automerge/automerge'
import {
  type ActorId,
  type BlockAddress,
  type ChangeHash,
  limits,
  MooringError,
  type SchemaName,
  type SchemaValues,
  schemaNamed,
} from '../../protocol/index.ts'
import { actorPrefix, type ChangeFacts, makeActor, readChange } from '../../protocol/sync/index.ts'
import { ApplyShare } from './apply-share.ts'
import type { BlockInit } from './block-init.ts'
import { withTrueCounters } from './counters.ts'
import { type Base, BlockDocument, type KnownChange, snapshotBase } from './document.ts'
import { beyond, hashOf, type LocalChange, localChange, unsettledOf } from './local-change.ts'
import type { StoredContent } from './store.ts'

type Doc<Name extends SchemaName> = A.Doc<SchemaValues[Name]>

/** What waits for somebody to look, at most: from then on it is applied as it comes. */
const maxWaitingChanges = 2_000
const maxWaitingBytes = 4 * 1024 * 1024

export class Block<Name extends SchemaName = SchemaName> {
  readonly address: BlockAddress
  readonly schema: Name
  readonly #init: BlockInit
  readonly #document: BlockDocument<SchemaValues[Name]>
  #isBroken = false
  #arrived: KnownChange[] = []
  #waitingBytes = 0
  #cancelApply: (() => void) | undefined
  #applyAgainAtMs = 0
  #made = 0
  /** Made here, not settled, oldest first. */
  #unsettled: LocalChange[] = []
  /** Newest seq of each actor that made changes here. */
  readonly #own = new Map<string, { seq: number; hash: ChangeHash }>()
  /** Whether there is more in the document than what was made here and is not settled. */
  #hasSettled = false

  constructor(init: BlockInit & { schema: Name }) {
    this.#init = init
    this.address = init.address
    this.schema = init.schema
    const snapshot = init.stored?.snapshot
    const base = snapshot === undefined ? this.#first : snapshotBase(snapshot)
    this.#document = new BlockDocument(base, () => this.#mintActor())
    if (init.stored !== undefined) this.#resume(init.stored)
  }

  /** The document with everything that has arrived. */
  get value(): Doc<Name> {
    this.applyNow()
    return this.#document.value
  }

  get unsettled(): readonly LocalChange[] {
    return this.#unsettled
  }

  /** How many changes were made here so far. */
  get made(): number {
    return this.#made
  }

  /** Newest change that is held of each actor of this key. */
  get own(): { actor: ActorId; seq: number; hash: ChangeHash }[] {
    return [...this.#own].map(([actor, last]) => ({ actor: actor as ActorId, ...last }))
  }

  /** Takes note of a change that came back, when its actor was one of this replica. Whether it was. */
  regain(actor: string, seq: number, hash: ChangeHash): boolean {
    const held = this.#own.get(actor)
    if (held !== undefined && held.seq < seq) this.#own.set(actor, { seq, hash })
    return held !== undefined
  }

  /** Newest seq of every actor in the document. */
  clock(): { actor: string; seq: number }[] {
    const clock = new Map<string, number>()
    for (const { actor, seq } of A.getChangesMetaSince(this.value, [])) {
      clock.set(actor, Math.max(clock.get(actor) ?? 0, seq))
    }
    return [...clock].map(([actor, seq]) => ({ actor, seq }))
  }

  /**
   * Makes a local change; undefined when `edit` changed nothing.
   * @throws `change-too-large`, `bad-change` for what no daemon takes: nothing was changed
   */
  change(edit: (draft: SchemaValues[Name]) => void): LocalChange | undefined {
    if (!this.#document.isMade) this.applyNow()
    const doc = this.#document.value
    // The clock's time, not the system's: what is written follows from what the process was given.
    const time = Math.floor(this.#init.clock.nowMs() / 1_000)
    const patches: A.Patch[][] = []
    const next = A.change(doc, { time, patchCallback: (made) => patches.push(made) }, (draft) => {
      edit(draft as SchemaValues[Name])
      // Thrown in here the change is rolled back; once it is history nobody could take it.
      if (A.getBackend(doc).pendingOps() > limits.maxOpsPerFrame) {
        throw new MooringError('change-too-large', {
          detail: `one change has at most ${limits.maxOpsPerFrame} operations; a typed character is one: make several changes`,
        })
      }
    })
    const bytes = next === doc ? undefined : A.getLastLocalChange(next)
    if (bytes === undefined) return undefined
    const facts = this.#readOwn(next, bytes)
    const { actor, seq, hash } = facts
    // An edit that changed nothing makes no change: the last one is the one before.
    if (this.#own.get(actor)?.seq === seq) return undefined
    this.#made++
    const position = this.#init.nextPosition?.() ?? this.#made
    const change = localChange(bytes, facts, { number: this.#made, position })
    this.#own.set(actor, { seq, hash })
    this.#unsettled.push(change)
    this.#document.changed(withTrueCounters(next, patches.flat()), change)
    return change
  }

  /** Takes verified changes in; they are applied in one batch soon, or when the value is read. */
  arrive(changes: readonly KnownChange[]): void {
    if (this.#isBroken || changes.length === 0) return
    for (const change of changes) {
      this.#arrived.push(change)
      this.#waitingBytes += change.bytes.byteLength
    }
    if (this.#cancelApply !== undefined) return
    if (this.#document.isMade) ApplyShare.of(this.#init.clock).waits(this)
    const waitMs = Math.max(0, this.#applyAgainAtMs - this.#init.clock.monotonicMs())
    this.#cancelApply = this.#init.clock.after(waitMs, () => this.#applyLater())
  }

  /** Never throws: it is called by a timer, where a throw would end the process of the plugin. */
  applyNow(): void {
    this.#cancelApply?.()
    this.#cancelApply = undefined
    const batch = this.#takeArrived()
    if (batch.length === 0 && this.#document.isMade) return
    const startMs = this.#init.clock.monotonicMs()
    this.#apply(batch)
    this.#applyAgainAtMs = ApplyShare.of(this.#init.clock).rest(this, startMs)
    this.#waitingBytes = 0
    if (batch.length > 0) this.#init.onRemote()
  }

  /**
   * Takes a snapshot in, and everything that was here on top: one load, never an apply onto a document. Settled changes
   * may be newer than the snapshot, and the daemon does not send what it was told is here.
   *
   * @returns what the snapshot brought, as changes; undefined when it is all there is but for unsettled changes
   * @throws `malformed` for what is no document
   */
  restore(snapshot: Uint8Array): KnownChange[] | undefined {
    const base = snapshotBase(snapshot)
    const added = this.#hasSettled ? this.#restoreOver(base) : undefined
    if (added === undefined) this.#document.restart(base, this.#unsettled)
    this.#hasSettled = true
    this.#init.onRemote()
    return added
  }

  #restoreOver(base: Base): KnownChange[] {
    const before = A.getHeads(this.value)
    this.#document.restart(base, this.#document.changes(this.#firstHash))
    const brought = A.getChangesSince(this.value, before)
    return brought.map((bytes) => ({ bytes, hash: hashOf(bytes) as ChangeHash }))
  }

  /** The daemon has these: they are no longer sent. */
  settle(hashes: ReadonlySet<string>): void {
    this.#hasSettled ||= hashes.size > 0
    // Settled in order, so almost always from the front: a filter each time would cost the whole backlog each time.
    let front = 0
    while (hashes.has(this.#unsettled[front]?.hash ?? '')) front++
    this.#unsettled.splice(0, front)
    if (front < hashes.size) this.#unsettled = this.#unsettled.filter((change) => !hashes.has(change.hash))
  }

  /**
   * Takes the unsettled changes from `first` on out of the document, because the daemon refused them for good and what
   * came later may build on them.
   */
  setAside(first: LocalChange): LocalChange[] {
    this.applyNow()
    const aside = this.#unsettled.filter((change) => change.number >= first.number)
    this.#unsettled = this.#unsettled.filter((change) => change.number < first.number)
    const hashes = new Set<string>(aside.map((change) => change.hash))
    this.#without((hash) => hashes.has(hash))
    return aside
  }

  /**
   * What was made here and is beyond what the daemon holds, by actor, counts as unsettled again: a daemon that was set
   * back to an older copy of its store has lost what it had acknowledged. Before anything is sent on a conversation.
   */
  unsettleBeyond(held: ReadonlyMap<string, number>): void {
    const isMissing = beyond(held, this.#own, this.#unsettled)
    if (isMissing === undefined) return
    this.applyNow()
    const missing = this.#document
      .changes(this.#firstHash)
      .map(({ bytes }) => ({ bytes, facts: readChange(bytes) }))
      .filter(({ facts }) => isMissing(facts.actor, facts.seq))
    // Numbered below whatever waits already: they come first, and who waits for a later one waits for them too.
    const first = (this.#unsettled[0]?.number ?? 1) - missing.length
    // Without a position: the store has them as settled, and after a crash this is found out again.
    const place = (index: number) => ({ number: first + index, position: 0 })
    this.#unsettled.unshift(...missing.map(({ bytes, facts }, index) => localChange(bytes, facts, place(index))))
  }

  /** Whether the block has a change; of those that wait only what is known without applying them. */
  holds(hash: ChangeHash): boolean {
    if (this.#arrived.some((change) => change.hash === hash)) return true
    return this.#document.has(hash) ?? A.hasHeads(this.value, [hash])
  }

  /** Begins again from the schema's initial change: the address holds another generation now. */
  reset(): LocalChange[] {
    const aside = this.#unsettled
    this.#unsettled = []
    this.#arrived = []
    this.#hasSettled = false
    this.#own.clear()
    this.#isBroken = false
    this.#document.restart(this.#first, [])
    this.#init.onRemote()
    return aside
  }

  free(): void {
    this.#cancelApply?.()
    ApplyShare.of(this.#init.clock).leave(this)
    this.#arrived = []
    this.#document.free()
  }

  get #first(): Base {
    const { bytes, hash } = schemaNamed(this.schema).initial
    return { bytes, heads: [hash] }
  }

  get #firstHash(): ChangeHash {
    return schemaNamed(this.schema).initial.hash
  }

  /** Goes on where an earlier process ended. */
  #resume(stored: StoredContent): void {
    this.#document.add(stored.changes)
    this.#hasSettled = stored.snapshot !== undefined || stored.changes.some(({ isUnsettled }) => !isUnsettled)
    for (const { actor, seq, hash } of stored.own) this.#own.set(actor, { seq, hash })
    this.#unsettled = unsettledOf(stored.changes)
    this.#made = this.#unsettled.length
  }

  /** While nobody has looked at the block there is nothing to apply to; whoever listens is told that there is more. */
  #applyLater(): void {
    const isMuch = this.#document.waiting + this.#arrived.length > maxWaitingChanges
    if (this.#document.isMade || isMuch || this.#waitingBytes > maxWaitingBytes) this.applyNow()
    else {
      this.#cancelApply = undefined
      this.#document.add(this.#takeArrived())
      this.#init.onRemote()
    }
  }

  #takeArrived(): KnownChange[] {
    const batch = this.#arrived
    this.#arrived = []
    this.#hasSettled ||= batch.length > 0
    return batch
  }

  #apply(batch: readonly KnownChange[]): void {
    try {
      this.#document.add(batch)
      void this.#document.value
      const poison = this.#document.takePoison()
      if (poison.length > 0) this.#init.onPoison(poison.map(({ hash }) => hash))
    } catch (error) {
      this.#isBroken = true
      this.#init.onBroken(error)
    }
  }

  /** The check that the daemon will make, while the change can still be taken back. */
  #readOwn(next: Doc<Name>, bytes: Uint8Array): ChangeFacts {
    try {
      return readChange(bytes)
    } catch (error) {
      this.#document.undo(next, hashOf(bytes))
      throw error
    }
  }

  #without(isOut: (hash: string) => boolean): KnownChange[] {
    const out = this.#document.without(isOut)
    const actors = new Set(this.#own.keys())
    this.#own.clear()
    // What was settled before is still held, and said to be.
    for (const { actor, seq, hash } of A.getChangesMetaSince(this.#document.value, [])) {
      if (actors.has(actor)) this.#own.set(actor, { seq, hash: hash as ChangeHash })
    }
    this.#init.onRemote()
    return out
  }

  // A fresh actor for each document: a sequence number that was used once must never be used for something else.
  #mintActor(): string {
    return makeActor(actorPrefix(this.#init.daemon, this.#init.self), this.#init.random(8))
  }
}
