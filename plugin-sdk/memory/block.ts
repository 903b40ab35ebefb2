/**
 * One block in memory: the Automerge document, what arrived and is not applied yet, and the changes made here that the
 * daemon has not settled. A local change never waits; what arrives is applied in batches, because one call costs time
 * proportional to the document however many changes it brings.
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
import type { BlockInit } from './block-init.ts'
import { History } from './history.ts'
import { beyond, hashOf, type LocalChange, localChange, unsettledOf } from './local-change.ts'
import type { StoredContent } from './store.ts'

type Doc<Name extends SchemaName> = A.Doc<SchemaValues[Name]>

export class Block<Name extends SchemaName = SchemaName> {
  readonly address: BlockAddress
  readonly schema: Name
  readonly #init: BlockInit
  #doc: Doc<Name>
  readonly #history: History<SchemaValues[Name]>
  #isBroken = false
  #arrived: Uint8Array[] = []
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
    const { initial } = schemaNamed(init.schema)
    const base = init.stored?.snapshot ?? initial.bytes
    this.#doc = A.load<SchemaValues[Name]>(base, { actor: this.#mintActor() })
    this.#history = new History(base)
    if (init.stored !== undefined) this.#resume(init.stored)
  }

  /** The document with everything that has arrived. */
  get value(): Doc<Name> {
    this.applyNow()
    return this.#doc
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

  /** How many changes the document holds. */
  get changeCount(): number {
    return A.stats(this.#doc).numChanges
  }

  /** Takes note of a change that came back, when its actor was one of this replica. Whether it was. */
  regain(actor: string, seq: number, hash: ChangeHash): boolean {
    const held = this.#own.get(actor)
    if (held !== undefined && held.seq < seq) this.#own.set(actor, { seq, hash })
    return held !== undefined
  }

  /** Newest seq of every actor in the document. */
  clock(): { actor: string; seq: number }[] {
    this.applyNow()
    const clock = new Map<string, number>()
    for (const { actor, seq } of A.getChangesMetaSince(this.#doc, [])) {
      clock.set(actor, Math.max(clock.get(actor) ?? 0, seq))
    }
    return [...clock].map(([actor, seq]) => ({ actor, seq }))
  }

  /**
   * Makes a local change; undefined when `edit` changed nothing.
   * @throws `change-too-large`, `bad-change` for what no daemon takes: nothing was changed
   */
  change(edit: (draft: SchemaValues[Name]) => void): LocalChange | undefined {
    // The clock's time, not the system's: what is written follows from what the process was given.
    const time = Math.floor(this.#init.clock.nowMs() / 1_000)
    const next = A.change(this.#doc, { time }, (draft) => {
      edit(draft as SchemaValues[Name])
      // Thrown in here the change is rolled back; once it is history nobody could take it.
      if (A.getBackend(this.#doc).pendingOps() > limits.maxOpsPerFrame) {
        throw new MooringError('change-too-large', {
          detail: `one change has at most ${limits.maxOpsPerFrame} operations; a typed character is one: make several changes`,
        })
      }
    })
    const bytes = A.getLastLocalChange(next)
    this.#doc = next
    if (bytes === undefined) return undefined
    const facts = this.#readOwn(bytes)
    const { actor, seq, hash } = facts
    // An edit that changed nothing makes no change: the last one is the one before.
    if (this.#own.get(actor)?.seq === seq) return undefined
    this.#made++
    const position = this.#init.nextPosition?.() ?? this.#made
    const change = localChange(bytes, facts, { number: this.#made, position })
    this.#own.set(actor, { seq, hash })
    this.#unsettled.push(change)
    this.#history.add([bytes], next)
    return change
  }

  /** Takes verified changes in; they are applied in one batch soon, or when the value is read. */
  arrive(chunks: readonly Uint8Array[]): void {
    if (this.#isBroken) return
    for (const chunk of chunks) this.#arrived.push(chunk)
    if (this.#cancelApply !== undefined) return
    const waitMs = Math.max(0, this.#applyAgainAtMs - this.#init.clock.monotonicMs())
    this.#cancelApply = this.#init.clock.after(waitMs, () => this.applyNow())
  }

  /** Never throws: it is called by a timer, where a throw would end the process of the plugin. */
  applyNow(): void {
    this.#cancelApply?.()
    this.#cancelApply = undefined
    if (this.#arrived.length === 0) return
    const batch = this.#arrived
    this.#arrived = []
    const startMs = this.#init.clock.monotonicMs()
    this.#apply(batch)
    this.#hasSettled = true
    const endMs = this.#init.clock.monotonicMs()
    // After an apply that took T, collect for T: applying never takes more than half of the time.
    this.#applyAgainAtMs = endMs + (endMs - startMs)
    this.#init.onRemote()
  }

  /**
   * Takes a snapshot in, and everything that was here on top: one load, never an apply onto a document. Settled changes
   * may be newer than the snapshot, and the daemon does not send what it was told is here.
   *
   * @returns what the snapshot brought, as changes; undefined when it is all there is but for unsettled changes
   */
  restore(snapshot: Uint8Array): Uint8Array[] | undefined {
    const waiting = this.#arrived
    this.#arrived = []
    const loaded = A.load<SchemaValues[Name]>(snapshot, { actor: this.#mintActor() })
    const mine = A.getAllChanges(this.#doc)
    const [doc] = A.applyChanges(loaded, mine)
    const added = this.#hasSettled ? A.getChanges(this.#doc, doc) : undefined
    this.#hasSettled = true
    this.#replace(doc)
    this.#history.restart(snapshot, mine)
    this.#init.onRemote()
    this.arrive(waiting)
    return added
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
    this.#rebuild((hash) => !hashes.has(hash))
    const actors = new Set(this.#own.keys())
    this.#own.clear()
    // What was settled before is still held, and said to be.
    for (const { actor, seq, hash } of A.getChangesMetaSince(this.#doc, [])) {
      if (actors.has(actor)) this.#own.set(actor, { seq, hash: hash as ChangeHash })
    }
    this.#init.onRemote()
    return aside
  }

  /**
   * What was made here and is beyond what the daemon holds, by actor, counts as unsettled again: a daemon that was set
   * back to an older copy of its store has lost what it had acknowledged. Before anything is sent on a conversation.
   */
  unsettleBeyond(held: ReadonlyMap<string, number>): void {
    const isMissing = beyond(held, this.#own, this.#unsettled)
    if (isMissing === undefined) return
    const missing = A.getAllChanges(this.#doc)
      .map((bytes) => ({ bytes, facts: readChange(bytes) }))
      .filter(({ facts }) => isMissing(facts.actor, facts.seq))
    // Numbered below whatever waits already: they come first, and who waits for a later one waits for them too.
    const first = (this.#unsettled[0]?.number ?? 1) - missing.length
    // Without a position: the store has them as settled, and after a crash this is found out again.
    const place = (index: number) => ({ number: first + index, position: 0 })
    this.#unsettled.unshift(...missing.map(({ bytes, facts }, index) => localChange(bytes, facts, place(index))))
  }

  /** Whether the document has a change. */
  holds(hash: ChangeHash): boolean {
    return A.hasHeads(this.value, [hash])
  }

  /** Begins again from the schema's initial change: the address holds another generation now. */
  reset(): LocalChange[] {
    const aside = this.#unsettled
    this.#unsettled = []
    this.#arrived = []
    this.#hasSettled = false
    this.#own.clear()
    this.#isBroken = false
    const { initial } = schemaNamed(this.schema)
    this.#replace(A.load<SchemaValues[Name]>(initial.bytes, { actor: this.#mintActor() }))
    this.#history.restart(initial.bytes, [])
    this.#init.onRemote()
    return aside
  }

  free(): void {
    this.#cancelApply?.()
    this.#arrived = []
    A.free(this.#doc)
  }

  /** Goes on where an earlier process ended. */
  #resume(stored: StoredContent): void {
    this.#apply(stored.changes.map(({ bytes }) => bytes))
    this.#hasSettled = stored.snapshot !== undefined || stored.changes.some(({ isUnsettled }) => !isUnsettled)
    for (const { actor, seq, hash } of stored.own) this.#own.set(actor, { seq, hash })
    this.#unsettled = unsettledOf(stored.changes)
    this.#made = this.#unsettled.length
  }

  #apply(batch: readonly Uint8Array[]): void {
    try {
      const [doc] = A.applyChanges(this.#doc, [...batch])
      this.#doc = doc
      this.#history.add(batch, doc)
    } catch {
      this.#applyApart(batch)
    }
  }

  /** The engine threw: its document is half changed, and one of the changes is why. */
  #applyApart(batch: readonly Uint8Array[]): void {
    try {
      const { doc, poison } = this.#history.recover(batch, () => this.#mintActor())
      this.#replace(doc)
      this.#init.onPoison(poison.map((bytes) => readChange(bytes).hash))
    } catch (error) {
      this.#isBroken = true
      this.#init.onBroken(error)
    }
  }

  /** The check that the daemon will make, while the change can still be taken back. */
  #readOwn(bytes: Uint8Array): ChangeFacts {
    try {
      return readChange(bytes)
    } catch (error) {
      const refused = hashOf(bytes)
      this.#rebuild((hash) => hash !== refused)
      throw error
    }
  }

  #rebuild(keeps: (hash: string) => boolean): void {
    const kept = A.getAllChanges(this.#doc).filter((bytes) => keeps(hashOf(bytes)))
    // A fresh actor: a sequence number that was used once must never be used for something else.
    const [doc] = A.applyChanges(A.init<SchemaValues[Name]>({ actor: this.#mintActor() }), kept)
    this.#replace(doc)
    this.#history.restart(undefined, kept)
  }

  #replace(doc: Doc<Name>): void {
    A.free(this.#doc)
    this.#doc = doc
  }

  #mintActor(): string {
    return makeActor(actorPrefix(this.#init.daemon, this.#init.self), this.#init.random(8))
  }
}
