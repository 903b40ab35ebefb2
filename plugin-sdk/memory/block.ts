/**
 * One block in memory: the Automerge document, what arrived and is not applied yet, and the changes made here that the
 * daemon has not settled. A local change never waits; what arrives is applied in batches, because one call costs time
 * proportional to the document however many changes it brings.
 */
import { createHash } from 'node:crypto'
import * as A from '@automerge/automerge'
import {
  type BlockAddress,
  type ChangeHash,
  type Clock,
  limits,
  MooringError,
  type PeerId,
  type SchemaName,
  type SchemaValues,
  schemaNamed,
} from '../../protocol/index.ts'
import { actorPrefix, type ChangeFacts, makeActor, readChange } from '../../protocol/sync/index.ts'

/** A change made here. */
export interface LocalChange {
  /** Counted from 1 over the life of the block in this process. */
  readonly number: number
  readonly actor: string
  readonly seq: number
  readonly hash: ChangeHash
  readonly bytes: Uint8Array
  readonly ops: number
  readonly expandedBytes: number
}

export interface BlockInit {
  readonly address: BlockAddress
  readonly schema: SchemaName
  readonly daemon: PeerId
  readonly self: PeerId
  readonly clock: Clock
  random(bytes: number): Uint8Array
  /** After a batch was applied or the document was replaced. */
  onRemote(): void
}

type Doc<Name extends SchemaName> = A.Doc<SchemaValues[Name]>

export class Block<Name extends SchemaName = SchemaName> {
  readonly address: BlockAddress
  readonly schema: Name
  /** Undefined until the daemon has said which generation of the address this is. */
  generation: number | undefined
  readonly #init: BlockInit
  #doc: Doc<Name>
  #arrived: Uint8Array[] = []
  #cancelApply: (() => void) | undefined
  #applyAgainAtMs = 0
  #made = 0
  /** Made here, not settled, oldest first. */
  #unsettled: LocalChange[] = []
  /** Newest seq of each actor that made changes here. */
  readonly #own = new Map<string, { seq: number; hash: ChangeHash }>()

  constructor(init: BlockInit & { schema: Name }) {
    this.#init = init
    this.address = init.address
    this.schema = init.schema
    const { initial } = schemaNamed(init.schema)
    this.#doc = A.load<SchemaValues[Name]>(initial.bytes, { actor: this.#mintActor() })
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

  /** Newest change of each actor of this process in this block. */
  get own(): { actor: string; seq: number; hash: ChangeHash }[] {
    return [...this.#own].map(([actor, last]) => ({ actor, ...last }))
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
    const next = A.change(this.#doc, (draft) => {
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
    const { actor, seq, hash, ops } = facts
    // An edit that changed nothing makes no change: the last one is the one before.
    if (this.#own.get(actor)?.seq === seq) return undefined
    this.#made++
    const change = { number: this.#made, actor, seq, hash, bytes, ops, expandedBytes: facts.expanded.byteLength }
    this.#own.set(actor, { seq, hash })
    this.#unsettled.push(change)
    return change
  }

  /** Takes verified changes in; they are applied in one batch soon, or when the value is read. */
  arrive(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.#arrived.push(chunk)
    if (this.#cancelApply !== undefined) return
    const waitMs = Math.max(0, this.#applyAgainAtMs - this.#init.clock.monotonicMs())
    this.#cancelApply = this.#init.clock.after(waitMs, () => this.applyNow())
  }

  applyNow(): void {
    this.#cancelApply?.()
    this.#cancelApply = undefined
    if (this.#arrived.length === 0) return
    const batch = this.#arrived
    this.#arrived = []
    const startMs = this.#init.clock.monotonicMs()
    const [doc] = A.applyChanges(this.#doc, batch)
    this.#doc = doc
    const endMs = this.#init.clock.monotonicMs()
    // After an apply that took T, collect for T: applying never takes more than half of the time.
    this.#applyAgainAtMs = endMs + (endMs - startMs)
    this.#init.onRemote()
  }

  /** Replaces the document by a snapshot and what was made here since: one load, never an apply onto a document. */
  restore(snapshot: Uint8Array): void {
    const waiting = this.#arrived
    this.#arrived = []
    const loaded = A.load<SchemaValues[Name]>(snapshot, { actor: this.#mintActor() })
    const mine = this.#unsettled.map((change) => change.bytes)
    const [doc] = A.applyChanges(loaded, [...waiting, ...mine])
    this.#replace(doc)
    this.#init.onRemote()
  }

  /** The daemon has these: they are no longer sent. */
  settle(hashes: ReadonlySet<string>): void {
    // Settled in order, so almost always from the front: a filter each time would cost the whole backlog each time.
    let front = 0
    while (hashes.has(this.#unsettled[front]?.hash ?? '')) front++
    this.#unsettled.splice(0, front)
    if (front < hashes.size) this.#unsettled = this.#unsettled.filter((change) => !hashes.has(change.hash))
  }

  /** Unsettled changes with a greater number, oldest first. */
  unsettledAfter(number: number): readonly LocalChange[] {
    let low = 0
    let high = this.#unsettled.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#unsettled[middle]?.number ?? 0) <= number) low = middle + 1
      else high = middle
    }
    return this.#unsettled.slice(low)
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
    this.#own.clear()
    for (const { actor, seq, hash } of this.#unsettled) this.#own.set(actor, { seq, hash })
    this.#init.onRemote()
    return aside
  }

  /** Begins again from the schema's initial change: the address holds another generation now. */
  reset(): LocalChange[] {
    const aside = this.#unsettled
    this.#unsettled = []
    this.#arrived = []
    this.#own.clear()
    this.#replace(A.load<SchemaValues[Name]>(schemaNamed(this.schema).initial.bytes, { actor: this.#mintActor() }))
    this.#init.onRemote()
    return aside
  }

  free(): void {
    this.#cancelApply?.()
    this.#arrived = []
    A.free(this.#doc)
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
  }

  #replace(doc: Doc<Name>): void {
    A.free(this.#doc)
    this.#doc = doc
  }

  #mintActor(): string {
    return makeActor(actorPrefix(this.#init.daemon, this.#init.self), this.#init.random(8))
  }
}

/** The hash of an uncompressed change, as Automerge hands it out: of everything behind magic number and checksum. */
const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes.subarray(8)).digest('hex')
