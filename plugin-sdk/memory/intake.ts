/**
 * What the daemon says of a block, done to it. Keeps: what comes is verified before it is taken, the store hears of all in
 * the order in which it happens, and what is taken out of a block is kept where its author finds it.
 */
import { type ChangeHash, isSameMeta, MooringError, type PeerId } from '../../protocol/index.ts'
import {
  checkDocument,
  type Frame,
  type ListenerFrame,
  ownsActor,
  type ReceivedTip,
  type Refusal,
  readChange,
} from '../../protocol/sync/index.ts'
import type { Block } from './block.ts'
import type { KnownChange } from './document.ts'
import { headsOf } from './document-chunk.ts'
import type { Entries, Keeping } from './entries.ts'
import { type Entry, metaOf, rangesOf, refusedOf, regain, tellRefused } from './entry.ts'
import type { ChangeItem } from './journal.ts'
import type { LocalChange } from './local-change.ts'
import type { NewAside, StoredSealed } from './store.ts'
import { checkTips, type Received, tipsToKeep } from './tips.ts'

export interface IntakeInit {
  readonly daemon: PeerId
  /** Whose replica it is. */
  readonly self: PeerId
  readonly entries: Entries
  readonly keeping: Keeping | undefined
  /** A change was made here: it is stored, and sent. */
  onLocal(entry: Entry, change: LocalChange): void
}

export class Intake {
  readonly #init: IntakeInit

  constructor(init: IntakeInit) {
    this.#init = init
  }

  /** Whether the address holds a block of another schema: what comes of it is not for this document. */
  isOther(entry: Entry, schema: string): boolean {
    entry.isOther ||= schema !== entry.schema
    const denial = new MooringError('address-taken', { detail: `its schema is ${schema}` })
    if (entry.isOther) entry.loaded?.handle.setState('denied', denial.message, denial)
    return entry.isOther
  }

  /** Whether all of a block is about to be set aside: then it has to be loaded. */
  isLastCopy(entry: Entry, { generation }: Introduction): boolean {
    return isLastCopy(entry, generation)
  }

  /**
   * Whether the daemon has lost what it said last of the metadata: that counts here as long as the replica `mayRemind` the
   * daemon of it. What a replica is not told any more stays as it was told.
   */
  introduce(entry: Entry, said: Introduction, mayRemind: boolean): boolean {
    const { generation, heads, changes = 0, owner, createdAtMs, meta, metaAtMs, seal, seq: seen } = said
    const isOther = isAnother(entry, said)
    if (isOther) this.#begin(entry, isLastCopy(entry, generation))
    const known = isOther ? undefined : entry.sealed
    const isTold = metaAtMs > 0
    const isLater = known !== undefined && known.metaAtMs > metaAtMs && (mayRemind || !isTold)
    entry.isLost = false
    entry.changes = changes
    const { block } = entry.loaded ?? {}
    entry.awaited.clear()
    if (block !== undefined) for (const head of heads) if (!block.holds(head)) entry.awaited.add(head)
    const isNews = !isLater && (known === undefined || Buffer.compare(known.seal, seal) !== 0)
    if (entry.generation === generation && entry.gone === undefined && !isNews) return isLater && isTold
    entry.generation = generation
    entry.gone = undefined
    entry.isWantedAnew = false
    this.#describe(entry, isLater ? known : { owner, createdAtMs, meta, metaAtMs, seal }, seen)
    return isLater && isTold
  }

  /** What is said of the block beside its content has changed. */
  described(entry: Entry, { meta, metaAtMs, seal, seq }: Frame<ListenerFrame, 'meta'>): void {
    if (entry.sealed !== undefined) this.#describe(entry, { ...entry.sealed, meta, metaAtMs, seal }, seq)
  }

  #describe(entry: Entry, sealed: StoredSealed, seen: number): void {
    const before = metaOf(entry)
    entry.sealed = sealed
    const { address, generation, schema } = entry
    this.#init.keeping?.journal.add({ kind: 'block', address, schema, generation, sealed, seen })
    if (!isSameMeta(before, sealed.meta)) entry.loaded?.handle.emit('meta', { meta: sealed.meta })
  }

  /** Takes changes in that came from the daemon. @throws what a change is not; `bad-signature` */
  receive(entry: Entry, chunks: readonly Uint8Array[], { seq: seen, tips: signed }: Received): void {
    if (entry.isOther) return
    checkTips(this.#init.daemon, entry, signed)
    // Automerge does not verify checksums when it applies: what was damaged on the way must be noticed here.
    const changes = chunks.map((bytes) => ({ bytes, facts: readChange(bytes) }))
    const facts = changes.map((change) => change.facts)
    const tips = tipsToKeep(this.#init.self, signed, facts)
    entry.isEmpty = false
    const known = changes.map(({ bytes, facts: { actor, seq, hash } }, index): KnownChange => {
      const own = regain(entry, actor, seq, hash) ? { actor, seq, hash } : undefined
      // With the last one: what they sign is stored then.
      this.#keep(entry, bytes, { own, ...(index === changes.length - 1 ? { tips, seen } : {}) })
      entry.awaited.delete(hash)
      return { bytes, hash }
    })
    if (entry.loaded !== undefined) {
      entry.loaded.block.tips.add(tips)
      entry.loaded.block.arrive(known, entry.awaited.size > 0)
    } else if (entry.loading !== undefined) {
      // Whether what is being read has them is not known; twice does no harm.
      entry.arrived.push(...known)
      entry.arrivedTips.push(...tips)
    }
  }

  /** Takes a snapshot of the daemon in. A block that is on disk only is loaded for it, unless there is nothing of it. */
  async restore(entry: Entry, bytes: Uint8Array, signed: readonly ReceivedTip[]): Promise<void> {
    if (entry.isOther) return
    checkTips(this.#init.daemon, entry, signed)
    checkDocument(bytes)
    for (const head of headsOf(bytes)) entry.awaited.delete(head)
    const { address, changes } = entry
    const isAll = entry.isEmpty && entry.loaded === undefined && entry.loading === undefined
    entry.isEmpty = false
    if (!isAll) await this.#init.entries.prepare(address)
    const added = entry.loaded?.block.restore(bytes)
    if (added !== undefined) for (const change of added) this.#keep(entry, change.bytes)
    else this.#init.keeping?.journal.add({ kind: 'snapshot', address, bytes, changes })
    const tips = tipsToKeep(this.#init.self, signed)
    entry.loaded?.block.tips.add(tips)
    if (tips.length > 0) this.#init.keeping?.journal.add({ kind: 'tips', address, tips })
  }

  /** The daemon has so much of the actors of this key: whether that settled anything. First of all in a conversation. */
  held(entry: Entry, clock: readonly { readonly actor: string; readonly seq: number }[], isFirst: boolean): boolean {
    const held = new Map(clock.map(({ actor, seq }) => [actor, seq]))
    if (isFirst) entry.loaded?.block.unsettleBeyond(held)
    const unsettled = entry.loaded?.block.unsettled ?? []
    const known = unsettled.filter((change) => change.seq <= (held.get(change.actor) ?? 0))
    this.settle(entry, known)
    return known.length > 0
  }

  settle(entry: Entry, settled: readonly { readonly hash: string }[]): void {
    if (entry.loaded === undefined || settled.length === 0) return
    const { block, handle } = entry.loaded
    const hashes = new Set<string>(settled.map(({ hash }) => hash))
    for (const { from, to } of rangesOf(block.unsettled, hashes)) {
      // Lost, it is sent again and recognised by its hash: not worth a transaction of its own.
      this.#init.keeping?.journal.addLazily({ kind: 'settled', address: entry.address, from, to })
    }
    block.settle(hashes)
    entry.attempts = 0
    handle.settled()
  }

  /** What was made here from `first` on is refused for good: taken out of the block and kept aside. */
  refuse(entry: Entry, first: LocalChange, error: Refusal): void {
    const { loaded } = entry
    if (loaded === undefined) return
    tellRefused(loaded.handle, first.position, this.#setAside(loaded.block, entry, first, error), error)
  }

  /** One actor told two stories: what the second did is made again under another actor, and the author is told. */
  reauthor(entry: Entry, first: LocalChange, error: Refusal): string | undefined {
    if (entry.loaded === undefined) return undefined
    const { block, handle } = entry.loaded
    const effect = block.effectFrom(first)
    const aside = this.#setAside(block, entry, first, error)
    const again = block.make(effect)
    if (again === undefined) tellRefused(handle, first.position, aside, error)
    else {
      this.#init.onLocal(entry, again)
      handle.rewritten(refusedOf(first.position, aside, error))
    }
    return again?.hash
  }

  /**
   * The daemon set changes aside: they leave the block with what builds on them, so that it is what everyone else has.
   * What this plugin made of them is kept for its author. A block that is on disk only is loaded for it. False when that has
   * to wait for what the daemon has not found yet.
   */
  async takeOut(entry: Entry, hashes: ReadonlySet<string>, seen: number): Promise<boolean> {
    const { daemon, entries, keeping, self } = this.#init
    await entries.prepare(entry.address)
    if (entry.loaded === undefined) return true
    const { block, handle } = entry.loaded
    const positions = new Map<string, number>(block.unsettled.map(({ hash, position }) => [hash, position]))
    const taken = block.takeOut(hashes)
    if (taken === undefined || taken === 'not-yet') return taken === undefined
    const { out, left } = taken
    const mine = out.filter(({ bytes }) => ownsActor(daemon, self, readChange(bytes).actor))
    const error = { code: 'quarantined', detail: entry.address, retryAfterMs: undefined }
    const aside = this.#aside(mine, error, block)
    keeping?.journal.add({
      kind: 'rewritten',
      address: entry.address,
      snapshot: left.bytes,
      changes: left.changes,
      own: block.own.newest,
      dropped: out.flatMap(({ hash }) => positions.get(hash) ?? []),
      aside,
      seen,
    })
    tellRefused(handle, aside.position, mine, error)
    handle.settled()
    return true
  }

  gone(entry: Entry, reason: string, seen?: number): void {
    if (reason === 'no-match') {
      entry.wire = undefined
      // Nobody watches for it any more; what somebody has opened, or has edited, stays as it is.
      if (!entry.isAsked && (entry.loaded?.block.unsettled.length ?? 0) === 0) this.#init.entries.forget(entry)
      return
    }
    // Deleted by who did not know all of it: what is here stays the last copy, and is kept when another one begins.
    const why = reason === 'deleted' && (entry.isLost || entry.gone === 'unknown') ? 'unknown' : reason
    entry.gone = why
    entry.isLost = false
    this.#init.keeping?.journal.add({ kind: 'gone', address: entry.address, reason: why, seen })
    entry.loaded?.handle.setState('gone', why)
    // Not readable is not deleted: what is on its way may still be stored, and the answer to it decides.
    if (reason !== 'deleted') return
    const first = entry.loaded?.block.unsettled[0]
    const error = { code: 'block-deleted', detail: reason, retryAfterMs: undefined }
    if (first !== undefined) this.refuse(entry, first, error)
    entry.wire = undefined
  }

  /**
   * The daemon has not all of the generation that is here. `lacks`: what it has of some actors, when that generation is
   * over there; without it nothing. Whether there is something to bring back.
   */
  lost(entry: Entry, lacks: ActorClock | undefined): boolean {
    // Introduced by now, it is another one that this was said of.
    if (entry.wire !== undefined) return false
    // Deleted, and known to be: nothing is missed of it.
    if (entry.gone !== 'deleted') entry.isLost ||= lacks === undefined || holdsMore(entry, lacks)
    const isLost = lacks === undefined
    if (isLost && entry.isLost) entry.loaded?.handle.setState('catching-up', 'the daemon lost the block: it is offered')
    return isLost
  }

  /**
   * The address holds another generation: what was made for the dead one is kept aside, and all of it, of anyone, where
   * that may be all there is.
   */
  #begin(entry: Entry, isLastCopy: boolean): void {
    const { block, handle } = entry.loaded ?? {}
    const lost = { code: 'generation-lost', detail: `generation ${entry.generation}`, retryAfterMs: undefined }
    const over = { code: 'block-deleted', detail: 'another generation', retryAfterMs: undefined }
    const error = isLastCopy ? lost : over
    const out = block?.reset(isLastCopy) ?? []
    const aside = out.length === 0 ? undefined : this.#aside(out, error, block)
    this.#init.keeping?.journal.add({ kind: 'reset', address: entry.address, aside })
    entry.own.clear()
    entry.arrived.length = 0
    entry.arrivedTips.length = 0
    if (handle !== undefined && aside !== undefined) tellRefused(handle, aside.position, out, error)
  }

  #setAside(block: Block, { address }: Entry, first: LocalChange, { code, detail }: Refusal): LocalChange[] {
    const aside = block.setAside(first)
    const left = { address, from: first.position, own: block.own.newest }
    this.#init.keeping?.journal.add({ kind: 'aside', code, detail, ...left })
    return aside
  }

  /** The changes as they are stored beside the block. */
  #aside(changes: readonly KnownChange[], { code, detail }: Refusal, block: Block | undefined): NewAside {
    const { journal } = this.#init.keeping ?? {}
    const position = journal?.nextPosition() ?? block?.own.made ?? 0
    for (let rest = 1; rest < changes.length; rest++) journal?.nextPosition()
    return { position, code, detail, changes: changes.map(({ bytes }) => bytes) }
  }

  /** A change of others, or an own one that had been lost here. */
  #keep({ address }: Entry, bytes: Uint8Array, rest: Partial<Pick<ChangeItem, 'own' | 'tips' | 'seen'>> = {}): void {
    const journal = this.#init.keeping?.journal
    const change = { address, isUnsettled: false, bytes, own: undefined, ...rest }
    journal?.addChange({ ...change, position: journal.nextPosition() })
  }
}

/** What an introduction says. */
export interface Introduction extends StoredSealed {
  readonly generation: number
  readonly heads: readonly ChangeHash[]
  readonly changes?: number | undefined
  readonly seq: number
}

type ActorClock = readonly { readonly actor: string; readonly seq: number }[]

/**
 * Whether what is here is of another block than the daemon tells of. One that was deleted is not mixed with what was made
 * at its address by a daemon that did not know of it any more.
 */
function isAnother({ generation, gone, sealed }: Entry, next: Introduction): boolean {
  if (generation === undefined) return false
  return generation !== next.generation || (gone === 'deleted' && sealed?.createdAtMs !== next.createdAtMs)
}

/** Whether nobody may have what is here once another generation begins: an older one would, or the daemon lost something. */
const isLastCopy = ({ generation = 0, gone, isLost }: Entry, next: number): boolean =>
  isLost || gone === 'unknown' ? next !== generation : gone !== 'deleted' && next < generation

/** Whether something is here beyond a clock that is not about to be kept aside by itself. */
function holdsMore({ loaded }: Entry, clock: ActorClock): boolean {
  const firstUnsettled = new Map<string, number>()
  for (const { actor, seq } of loaded?.block.unsettled ?? []) {
    if (!firstUnsettled.has(actor)) firstUnsettled.set(actor, seq)
  }
  return clock.some(({ actor, seq }) => firstUnsettled.get(actor) !== seq + 1)
}
