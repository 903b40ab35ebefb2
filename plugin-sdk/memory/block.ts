/**
 * One block in memory: its document, what arrived and waits, and the unsettled changes that were made here. A local change
 * never waits; what arrives is applied in batches, because a call costs time proportional to the document.
 */
import * as A from '@automerge/automerge'
import {
  type BlockAddress,
  type ChangeHash,
  type SchemaName,
  type SchemaValues,
  schemaNamed,
} from '../../protocol/index.ts'
import { actorPrefix, makeActor, readChange } from '../../protocol/sync/index.ts'
import { ApplyTimer } from './apply-timer.ts'
import { type Base, firstOf, isNotOf, snapshotBase } from './base.ts'
import type { BlockInit, TakenOut } from './block-init.ts'
import { BlockDocument, type KnownChange } from './document.ts'
import { type LocalChange, localChange } from './local-change.ts'
import type { OwnChanges } from './own-changes.ts'
import { hashOf } from './re-encoding.ts'
import type { StoredContent } from './store.ts'
import { Tips } from './tips.ts'
import { Writer } from './writer.ts'

/** What waits for somebody to look, at most: from then on it is applied as it comes. */
const maxWaitingChanges = 2_000
const maxWaitingBytes = 4 * 1024 * 1024

export class Block<Name extends SchemaName = SchemaName> {
  readonly address: BlockAddress
  readonly schema: Name
  readonly tips: Tips
  readonly #init: BlockInit
  readonly #document: BlockDocument<SchemaValues[Name]>
  #isBroken = false
  #arrived: KnownChange[] = []
  #waitingBytes = 0
  readonly #timer: ApplyTimer
  readonly #writer: Writer<SchemaValues[Name]>
  /** What the engine could not take. */
  readonly #leftOut = new Set<string>()
  /** Whether there is more in the document than what was made here and is not settled. */
  #hasSettled = false

  constructor(init: BlockInit & { schema: Name }) {
    this.#init = init
    this.address = init.address
    this.schema = init.schema
    this.#timer = new ApplyTimer(init.clock, () => this.#applyLater())
    this.tips = new Tips(init.stored?.tips)
    const base = init.stored?.snapshot ? snapshotBase(init.stored.snapshot) : this.#first
    const mintActor = (): string => makeActor(actorPrefix(init.daemon, init.self), init.random(8))
    this.#document = new BlockDocument(base, mintActor, init.onStray, schemaNamed(this.schema).upgrades)
    this.#writer = new Writer(init, this.#document)
    if (init.stored !== undefined) this.#resume(init.stored)
  }

  /** The document with everything that has arrived. */
  get value(): A.Doc<SchemaValues[Name]> {
    this.applyNow()
    return this.#document.value
  }

  get own(): Pick<OwnChanges, 'made' | 'newest' | 'unsettled'> {
    return this.#own
  }

  get #own(): OwnChanges {
    return this.#writer.own
  }

  get unsettled(): readonly LocalChange[] {
    return this.#own.unsettled
  }

  /** Takes note of a change that came back, when its actor was one of this replica. Whether it was. */
  regain(actor: string, seq: number, hash: ChangeHash): boolean {
    return this.#own.regain(actor, seq, hash)
  }

  /** Newest seq of every actor in the document, but of those that every document of its schema has by itself. */
  clock(): { actor: string; seq: number }[] {
    this.applyNow()
    this.tell()
    return this.#document.clock().filter(isNotOf(schemaNamed(this.schema)))
  }

  /**
   * Makes a local change, and tells of it at the end of this turn at the latest. Whether `edit` changed anything.
   * @throws `change-too-large`, `bad-change` for what no daemon takes: nothing was changed
   */
  change(edit: (draft: SchemaValues[Name]) => void): boolean {
    if (!this.#document.isMade) this.applyNow()
    const { isTold } = this.#writer
    const made = this.#writer.edit(edit)
    if (made === undefined) return false
    if (!made.isTyped) return this.tell() > 0
    if (isTold) queueMicrotask(() => this.#tellLater())
    return true
  }

  /** Stores and sends what was changed in this turn. How many changes that are. @throws as {@link change} */
  tell(): number {
    return this.#writer.tell()
  }

  /** A throw out of a microtask would end the process of the plugin. */
  #tellLater(): void {
    try {
      this.tell()
    } catch (error) {
      this.#break(error)
    }
  }

  /** Takes verified changes in; applied in one batch soon, or when the value is read. `isPart`: the rest is on its way. */
  arrive(changes: readonly KnownChange[], isPart = false): void {
    if (this.#isBroken || changes.length === 0) return
    for (const change of changes) {
      this.#arrived.push(change)
      this.#waitingBytes += change.bytes.byteLength
    }
    this.#timer.arrived(isPart, this.#document.isMade)
  }

  /** Never throws: it is called by a timer, where a throw would end the process of the plugin. */
  applyNow(): void {
    if (this.#writer.isEditing) return
    this.#timer.clear()
    const batch = this.#takeArrived()
    if (batch.length === 0 && this.#document.isMade) return
    const startMs = this.#init.clock.monotonicMs()
    this.#apply(batch)
    this.#timer.applied(startMs)
    this.#waitingBytes = 0
    if (batch.length > 0) this.#init.onRemote()
  }

  /**
   * Takes a snapshot in, and everything that was here on top: one load, never an apply onto a document. Settled changes
   * may be newer than the snapshot, and the daemon does not send what it was told is here.
   * @returns what the snapshot brought, as changes; undefined when it is all there is but for unsettled changes
   * @throws `malformed` for what is no document
   */
  restore(snapshot: Uint8Array): KnownChange[] | undefined {
    this.tell()
    const base = snapshotBase(snapshot)
    const added = this.#hasSettled ? this.#restoreOver(base) : undefined
    if (added === undefined) this.#document.restart(base, this.unsettled)
    this.#hasSettled = true
    this.#init.onRemote()
    return added
  }

  #restoreOver(base: Base): KnownChange[] {
    const before = A.getHeads(this.value)
    this.#document.restart(base, this.#document.changes(this.#first.heads))
    return A.getChangesSince(this.value, before).map((bytes) => ({ bytes, hash: hashOf(bytes) as ChangeHash }))
  }

  /** The daemon has these: they are no longer sent. */
  settle(hashes: ReadonlySet<string>): void {
    this.#hasSettled ||= hashes.size > 0
    this.#own.settle(hashes)
  }

  /**
   * Takes the unsettled changes from `first` on out of the document, because the daemon refused them for good and what
   * came later may build on them.
   */
  setAside(first: LocalChange): LocalChange[] {
    this.applyNow()
    const aside = this.#own.from(first)
    const hashes = new Set<string>(aside.map(({ hash }) => hash))
    this.#without((hash) => hashes.has(hash))
    return aside
  }

  /**
   * Takes changes out that the daemon set aside, with what builds on them, and what waits for them; undefined when nothing of
   * it was here. `not-yet` when what is left cannot be loaded, because another change of it is wrong as well: then nothing is.
   */
  takeOut(hashes: ReadonlySet<string>): TakenOut | 'not-yet' | undefined {
    this.tell()
    const doc = this.value
    const isHere = [...hashes].some((hash) => this.#leftOut.has(hash) || A.hasHeads(doc, [hash]))
    if (!isHere && A.getMissingDeps(doc, []).length === 0) return undefined
    const isOut = (hash: string): boolean => hashes.has(hash)
    const unsaved = this.#document.withDependants(isOut)
    for (const { hash } of this.unsettled) unsaved.add(hash)
    const left = this.#document.saveBut(unsaved, this.#first)
    if (left === undefined) return 'not-yet'
    for (const hash of hashes) this.#leftOut.delete(hash)
    const out = this.#without(isOut)
    for (const { bytes } of out) this.#own.disown(readChange(bytes).actor)
    return { out, left }
  }

  /** What the changes from `first` on did. */
  effectFrom(first: LocalChange): A.Patch[] {
    this.applyNow()
    return this.#document.effectOf(new Set(this.#own.from(first).map(({ hash }) => hash)))
  }

  /** Does what others did, as one change; undefined for nothing, or for more than one may hold: its author has it aside. */
  make(effect: A.Patch[]): LocalChange | undefined {
    const made: LocalChange[] = []
    try {
      this.#writer.edit((draft) => A.applyPatches(draft, effect))
      this.#writer.tell((change) => made.push(change))
    } catch {}
    return made[0]
  }

  /**
   * What was made here and is beyond what the daemon holds, by actor, counts as unsettled again: set back to an older copy
   * of its store, it has lost what it had acknowledged. Before anything is sent on a conversation.
   */
  unsettleBeyond(held: ReadonlyMap<string, number>): void {
    const isMissing = this.#own.beyond(held)
    if (isMissing === undefined) return
    this.applyNow()
    const missing = this.#document
      .changes(this.#first.heads)
      .map(({ bytes }) => ({ bytes, facts: readChange(bytes) }))
      .filter(({ facts }) => isMissing(facts.actor, facts.seq))
    // Without a position: the store has them as settled, and after a crash this is found out again.
    this.#own.unsettle((first) =>
      missing.map(({ bytes, facts }, index) =>
        localChange(bytes, facts, { number: first - missing.length + index, position: 0 }),
      ),
    )
  }

  /** Whether the block has a change; of those that wait only what is known without applying them. */
  holds(hash: ChangeHash): boolean {
    if (this.#arrived.some((change) => change.hash === hash)) return true
    return this.#document.has(hash) ?? A.hasHeads(this.value, [hash])
  }

  /** Whether a change made here waits for one that is not here: in step with the daemon it waits in vain. */
  lacksBaseOf({ deps }: LocalChange): boolean {
    return !this.#isBroken && deps.some((hash) => !this.#leftOut.has(hash) && !this.holds(hash))
  }

  /** Begins again from the schema, for another generation. Returns what was unsettled, or all there was if it `isLost`. */
  reset(isLost: boolean): readonly KnownChange[] {
    if (isLost) this.applyNow()
    const unsettled = this.#own.clear()
    const aside = isLost ? this.#document.changes(this.#first.heads) : unsettled
    this.#arrived = []
    this.#hasSettled = false
    this.#isBroken = false
    this.#document.restart(this.#first, [])
    this.#init.onRemote()
    return aside
  }

  free(): void {
    this.#timer.stop()
    this.#arrived = []
    this.#document.free()
  }

  get #first(): Base {
    return firstOf(schemaNamed(this.schema))
  }

  /** Goes on where an earlier process ended. */
  #resume(stored: StoredContent): void {
    this.#document.add(stored.changes)
    this.#hasSettled = stored.snapshot !== undefined || stored.changes.some(({ isUnsettled }) => !isUnsettled)
    this.#own.resume(stored)
  }

  /** While nobody has looked at the block there is nothing to apply to; whoever listens is told that there is more. */
  #applyLater(): void {
    const isMuch = this.#document.waiting + this.#arrived.length > maxWaitingChanges
    if (this.#document.isMade || isMuch || this.#waitingBytes > maxWaitingBytes) this.applyNow()
    else {
      this.#timer.clear()
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
      this.tell()
      this.#document.add(batch)
      void this.#document.value
      const poison = this.#document.takePoison()
      for (const { hash } of poison) this.#leftOut.add(hash)
      if (poison.length > 0) this.#init.onPoison(poison.map(({ hash }) => hash))
    } catch (error) {
      this.#break(error)
    }
  }

  #break(error: unknown): void {
    this.#isBroken = true
    this.#init.onBroken(error)
  }

  #without(isOut: (hash: string) => boolean): KnownChange[] {
    const out = this.#document.without(isOut)
    // Not in the document, but waiting for what is not there, it goes too.
    const gone = new Set<string>(out.map(({ hash }) => hash))
    this.#own.taken((hash) => gone.has(hash) || isOut(hash), A.getChangesMetaSince(this.#document.value, []))
    this.#init.onRemote()
    return out
  }
}
