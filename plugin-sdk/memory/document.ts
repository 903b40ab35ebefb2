/**
 * The Automerge document of a block, made when somebody looks at it: until then it is bytes, and however many changes
 * wait, making it is one load. Keeps true: what is shown was handed out again by the engine as it had come, and a change
 * that the engine cannot take costs that change alone. A throw inside the engine leaves a document half changed and
 * useless, and one plugin can make such a change for all.
 */
import * as A from '@automerge/automerge'
import type { ChangeHash } from '../../protocol/index.ts'
import type { Base } from './base.ts'
import { assertSame, hashOf, type KnownChange } from './re-encoding.ts'
import { readAnew } from './reading.ts'

/** A saved document, and how many changes are in it. */
export interface Saved {
  readonly bytes: Uint8Array
  readonly changes: number
}

export type { KnownChange } from './re-encoding.ts'

/** Changes kept one by one before they are folded; from then on as many as are in the folded form. */
const minTail = 2_000
/** More in one batch are no accident: the block then takes nothing more, instead of the time of its process. */
const maxPoison = 8

export class BlockDocument<Value> {
  /** A fresh actor for each document: a sequence number that was used once must never be used for something else. */
  readonly #mintActor: () => string
  readonly #onStray: (operations: number) => void
  /** What later versions of the schema added: put into it whenever it is made, whether or not it is there already. */
  readonly #upgrades: readonly KnownChange[]
  #base: Base
  /** In the document behind its base, or waiting to be once it is made. */
  #tail: KnownChange[] = []
  #folded = 0
  #doc: A.Doc<Value> | undefined
  /** What the engine could not take. */
  #poison: KnownChange[] = []

  /** `onStray` is told of writes to a draft whose edit was over: they are taken back before anything else is done. */
  constructor(
    base: Base,
    mintActor: () => string,
    onStray: (operations: number) => void,
    upgrades: readonly KnownChange[] = [],
  ) {
    this.#base = base
    this.#mintActor = mintActor
    this.#onStray = onStray
    this.#upgrades = upgrades
  }

  /** Set while an edit runs: what the engine has begun then is the edit's. */
  isEditing = false

  /** Whether somebody has looked at it. */
  get isMade(): boolean {
    return this.#doc !== undefined
  }

  /** Changes that wait until somebody looks. */
  get waiting(): number {
    return this.isMade ? 0 : this.#tail.length
  }

  /** The document; made now if need be. @throws when it cannot be made at all */
  get value(): A.Doc<Value> {
    if (this.#doc !== undefined) return this.#withoutStray(this.#doc)
    const waiting = this.#tail
    this.#tail = []
    try {
      const doc = this.#build(waiting)
      if (doc === undefined) this.#recover(waiting)
      else this.#replace(doc, waiting)
    } catch (error) {
      // What it began with is shown, and the failure is told once.
      this.#doc = this.#build([])
      throw error
    }
    return this.value
  }

  /** What the engine could not take since the last call; the document goes on without. */
  takePoison(): KnownChange[] {
    const poison = this.#poison
    this.#poison = []
    return poison
  }

  /** Takes changes in: into the document if it is made, in one call, else to those that wait. @throws as {@link value} */
  add(batch: readonly KnownChange[]): void {
    const doc = this.#doc
    if (doc === undefined) {
      for (const change of batch) this.#tail.push(change)
      return
    }
    this.#fold(this.#withoutStray(doc))
    const before = A.getHeads(doc)
    try {
      const [next] = A.applyChanges(
        doc,
        batch.map(({ bytes }) => bytes),
      )
      this.#doc = next
      assertSame(next, before, batch)
      this.#doc = readAnew(next)
      this.#grow(batch)
    } catch {
      // The engine threw, and its document is half changed; or it would hand out something else than was written.
      this.#recover(batch)
    }
  }

  /**
   * A draft writes into the engine, also when its edit is over: out of a promise, a timer, a variable. Whatever is asked of
   * the engine next would make a change of that, which nobody here has seen, and everything after it would build on it.
   */
  #withoutStray(doc: A.Doc<Value>): A.Doc<Value> {
    if (this.isEditing || A.getBackend(doc).pendingOps() === 0) return doc
    this.#onStray(A.getBackend(doc).rollback())
    return doc
  }

  /** Takes the document with a change that was made here; which, is told by {@link made} before anything else is done. */
  edited(next: A.Doc<Value>): void {
    this.#doc = next
  }

  made(change: KnownChange): void {
    this.#tail.push(change)
    this.#fold(this.value)
  }

  /** Begins again from a document, with changes on top of it. */
  restart(base: Base, tail: readonly KnownChange[]): void {
    if (this.#doc !== undefined) A.free(this.#doc)
    this.#doc = undefined
    this.#base = base
    this.#tail = [...tail]
    this.#folded = 0
  }

  /** Whether a change is known to be in it, or waits; undefined when only making it would tell. */
  has(hash: string): boolean | undefined {
    if (this.#doc !== undefined) return A.hasHeads(this.#withoutStray(this.#doc), [hash])
    if (this.#base.heads.includes(hash) || this.#tail.some((change) => change.hash === hash)) return true
    return this.#isFirstChange ? false : undefined
  }

  /** Every change of it but the first one of the schema, in an order in which they can be applied. */
  changes(first: readonly string[]): KnownChange[] {
    return A.getAllChanges(this.value).flatMap((bytes) => {
      const hash = hashOf(bytes) as ChangeHash
      return first.includes(hash) ? [] : [{ bytes, hash }]
    })
  }

  /** Changes of it, and everything that builds on them. */
  withDependants(isOne: (hash: string) => boolean): Set<string> {
    const found = new Set<string>()
    for (const { hash, deps } of A.getChangesMetaSince(this.value, [])) {
      if (isOne(hash) || deps.some((dep) => found.has(dep))) found.add(hash)
    }
    return found
  }

  /** Takes changes out, with everything that builds on them. Returns what was taken out, oldest first. */
  without(isOut: (hash: string) => boolean): KnownChange[] {
    const doc = this.value
    const out = this.withDependants(isOut)
    const all = A.getAllChanges(doc).map((bytes) => ({ bytes, hash: hashOf(bytes) as ChangeHash }))
    const [first, ...kept] = all.filter(({ hash }) => !out.has(hash))
    if (first === undefined) throw new Error('nothing is left of a document')
    // Also where nothing was taken out: what waits for a change that is gone for good goes with it.
    this.restart({ bytes: first.bytes, heads: [first.hash] }, kept)
    return all.filter(({ hash }) => out.has(hash))
  }

  /** What some changes did, on top of all the others. */
  effectOf(hashes: ReadonlySet<string>): A.Patch[] {
    const doc = this.value
    const left = A.getChangesMetaSince(doc, []).filter(({ hash }) => !hashes.has(hash))
    const built = new Set(left.flatMap(({ deps }) => deps))
    const heads = left.map(({ hash }) => hash).filter((hash) => !built.has(hash))
    return A.diff(doc, heads, A.getHeads(doc))
  }

  /** All but some changes, saved, and loaded again; undefined when that cannot be done. */
  saveBut(hashes: ReadonlySet<string>, first: Base): Saved | undefined {
    const rest = new BlockDocument<Value>(first, this.#mintActor, this.#onStray, this.#upgrades)
    try {
      rest.add(this.changes(first.heads).filter(({ hash }) => !hashes.has(hash)))
      const bytes = A.save(rest.value)
      const loaded = A.load<Value>(bytes)
      const { numChanges } = A.stats(loaded)
      A.free(loaded)
      return { bytes, changes: numChanges }
    } catch {
      return undefined
    } finally {
      rest.free()
    }
  }

  /** Newest seq of every actor in it. */
  clock(): { actor: string; seq: number }[] {
    const clock = new Map<string, number>()
    for (const { actor, seq } of A.getChangesMetaSince(this.value, [])) {
      clock.set(actor, Math.max(clock.get(actor) ?? 0, seq))
    }
    return [...clock].map(([actor, seq]) => ({ actor, seq }))
  }

  free(): void {
    if (this.#doc !== undefined) A.free(this.#doc)
  }

  get #isFirstChange(): boolean {
    return this.#base.bytes[chunkTypeAt] !== documentChunk
  }

  #grow(changes: readonly KnownChange[]): void {
    for (const change of changes) this.#tail.push(change)
  }

  /** Before something is added and not after: what was added is then shown at once, and a last one is never saved. */
  #fold(doc: A.Doc<Value>): void {
    if (this.#tail.length < Math.max(minTail, this.#folded)) return
    this.#base = { bytes: A.save(doc), heads: A.getHeads(doc) }
    this.#folded += this.#tail.length
    this.#tail = []
  }

  #replace(doc: A.Doc<Value>, added: readonly KnownChange[]): void {
    if (this.#doc !== undefined) A.free(this.#doc)
    this.#doc = doc
    this.#grow(added)
  }

  /**
   * The document with all of the batch that the engine takes, after it could not take the batch as a whole.
   * @throws when the document cannot be built without the batch either, or too many changes of it cannot be taken
   */
  #recover(batch: readonly KnownChange[]): void {
    let taken: KnownChange[] = []
    let rest = [...batch]
    for (let found = 0; ; found++) {
      const whole = this.#build([...taken, ...rest])
      if (whole !== undefined) {
        this.#replace(whole, [...taken, ...rest])
        return
      }
      if (found === maxPoison) throw new Error('too many changes that the engine cannot take')
      // The shortest beginning that fails ends with the change that makes it fail.
      let fits = 0
      let fails = rest.length
      while (fails - fits > 1) {
        const middle = (fits + fails) >>> 1
        const part = this.#build([...taken, ...rest.slice(0, middle)])
        if (part === undefined) fails = middle
        else {
          fits = middle
          A.free(part)
        }
      }
      const culprit = rest[fits]
      if (culprit === undefined) throw new Error('the document cannot be built again')
      this.#poison.push(culprit)
      taken = [...taken, ...rest.slice(0, fits)]
      rest = rest.slice(fits + 1)
    }
  }

  #build(more: readonly KnownChange[]): A.Doc<Value> | undefined {
    let doc: A.Doc<Value> | undefined
    try {
      const changes = [...this.#tail, ...more]
      const parts = [...this.#upgrades, ...changes]
      const whole = joined([this.#base.bytes, ...parts.map(({ bytes }) => bytes)])
      // What waits for a change that was left out waits, as it does when it comes later.
      doc = A.load<Value>(whole, { actor: this.#mintActor(), allowMissingChanges: true })
      const heads = [...this.#base.heads, ...this.#upgrades.map(({ hash }) => hash)]
      if (changes.length > 0) assertSame(doc, heads, changes)
      return doc
    } catch {
      // The engine throws errors of its own and plain strings; whatever it was, this is not a document.
      if (doc !== undefined) A.free(doc)
      return undefined
    }
  }
}

/** In the header of a chunk. */
const chunkTypeAt = 8
const documentChunk = 0

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts
  if (parts.length === 1 && first !== undefined) return first
  const whole = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.byteLength
  }
  return whole
}
