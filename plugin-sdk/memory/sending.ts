/**
 * Sends what was made here, and for others what the daemon has lost. Keeps: in order, each change once, as few frames as the
 * turns that {@link SendTurn} gives.
 */
import { type ActorId, asError, type Clock, type PeerId } from '../../protocol/index.ts'
import {
  type DiallerEffect,
  type DiallerSession,
  type Frame,
  type ListenerFrame,
  type OwnChange,
  ownsActor,
  type SentTip,
  signTip,
  splitByLimits,
} from '../../protocol/sync/index.ts'
import type { Conversation } from './asking.ts'
import type { Entries } from './entries.ts'
import type { Entry } from './entry.ts'
import { changesAfter, type LocalChange } from './local-change.ts'
import { SendTurn } from './send-turn.ts'
import { type ActorClock, changesBeyond, supplyParts } from './supply.ts'

/** What was made here may be on its way when the daemon asks for it: the answer waits for the daemon's, and no longer than this. */
const supplyWaitMs = 2_000
/** Frames of one block on their way at once: what a long line holds, and what is sent for nothing by a refusal. */
const maxPortion = 32

export interface SendingInit {
  readonly daemon: PeerId
  readonly entries: Entries
  /** Signs for the changes that are sent. */
  readonly identity: { readonly seed: Uint8Array; readonly peer: PeerId }
  readonly clock: Clock
  /** Whether something that was sent is not answered yet. */
  isBusy(): boolean
  /** Asks the daemon for the handle of a block. */
  ask(entry: Entry): void
  /** Says something on the present conversation, if there is one. */
  say(what: (session: DiallerSession) => DiallerEffect[]): void
}

export class Sending {
  readonly #init: SendingInit
  readonly #turn: SendTurn<Entry>
  /** Answers to the daemon that wait for what is on its way. */
  readonly #supplying = new Map<Entry, { supply(): void; cancel(): void }>()

  constructor(init: SendingInit) {
    this.#init = init
    const { clock } = init
    this.#turn = new SendTurn({ clock, isBusy: () => init.isBusy(), send: (entry) => this.send(entry) })
  }

  /** Something was changed: it is sent at the end of this turn, or with what follows. */
  changed(entry: Entry): void {
    this.#turn.add(entry)
  }

  /** Something that was sent of these is settled, or refused. */
  answered(entries: Iterable<Entry>): void {
    for (const entry of entries) {
      if (entry.isHeldBack) this.send(entry)
      if (!isUnderWay(entry)) this.#supplying.get(entry)?.supply()
    }
    this.#turn.answered()
  }

  /**
   * What is unsettled and was not sent on the present conversation, as much of it as may be on its way at once; nothing
   * while the block is refused for now.
   */
  send(entry: Entry): void {
    const { generation, loaded, wire } = entry
    // A quiet block has no handle before there is something to say about it.
    if (wire === undefined) this.#init.ask(entry)
    if (loaded === undefined || wire === undefined || generation === undefined || entry.retry !== undefined) return
    const { unsettled } = loaded.block
    widen(entry, unsettled[0]?.number ?? Number.POSITIVE_INFINITY)
    const signer = this.#signer(entry)
    entry.isHeldBack = false
    // Frame by frame: the first is under way, and the daemon at work on it, while the next is packed.
    for (const own of splitByLimits(underHandle(changesAfter(unsettled, entry.sentUpTo), wire))) {
      entry.isHeldBack = entry.underWay.length >= entry.portion
      if (entry.isHeldBack) return
      this.#init.say((session) => {
        entry.sentUpTo = own.at(-1)?.number ?? entry.sentUpTo
        entry.underWay.push(entry.sentUpTo)
        return session.submit(wire, own, signer)
      })
    }
  }

  /** The daemon has only so much of these actors, whoever they are, but for what it takes of what is on its way. */
  supply(entry: Entry, { session, channel }: Conversation, lacks: Frame<ListenerFrame, 'lacks'>): void {
    const supply = (): void => {
      this.#supplying.get(entry)?.cancel()
      this.#supplying.delete(entry)
      this.#supply(entry, session, lacks).catch((error) => channel.abort(asError(error)))
    }
    this.#supplying.get(entry)?.cancel()
    if (!isUnderWay(entry)) supply()
    else this.#supplying.set(entry, { supply, cancel: this.#init.clock.after(supplyWaitMs, supply) })
  }

  async #supply(entry: Entry, asked: DiallerSession, { handle, clock }: Frame<ListenerFrame, 'lacks'>): Promise<void> {
    const { daemon, entries, identity, say } = this.#init
    const isOwn = (actor: string): boolean => ownsActor(daemon, identity.peer, actor)
    const parts = await entries.peek(entry, ({ value, tips }) =>
      supplyParts({
        changes: changesBeyond(value, beyond(clock, entry.taken), handle),
        tips,
        isOwn,
        sign: this.#signer(entry),
      }),
    )
    say((session) => (session === asked ? session.supply(handle, parts) : []))
  }

  #signer({ address, generation = 0 }: Entry): (change: OwnChange) => SentTip {
    return ({ actor, seq, hash }) => {
      const tip = { address, generation, actor: actor as ActorId, seq, hash }
      return { actor: tip.actor, seq, hash, signature: signTip(this.#init.identity.seed, tip) }
    }
  }

  /** The conversation has ended; what waits is sent on the next one. */
  stop(): void {
    this.#turn.clear()
    for (const { cancel } of this.#supplying.values()) cancel()
    this.#supplying.clear()
  }
}

/** Whether something that was made here was sent and is not answered yet. */
const isUnderWay = ({ loaded, retry, sentUpTo }: Entry): boolean =>
  retry === undefined && (loaded?.block.unsettled[0]?.number ?? Number.POSITIVE_INFINITY) <= sentUpTo

/** What the daemon had of the actors when it asked, or has by now. */
const beyond = (clock: ActorClock, taken: ReadonlyMap<string, number>): ActorClock =>
  clock.map(({ actor, seq }) => ({ actor, seq: Math.max(seq, taken.get(actor) ?? 0) }))

/** Each frame that was taken makes room for another one beside the next: so what is taken doubles what is sent. */
function widen(entry: Entry, firstUnsettled: number): void {
  const left = entry.underWay.filter((last) => last >= firstUnsettled)
  entry.portion = Math.min(maxPortion, entry.portion + entry.underWay.length - left.length)
  entry.underWay = left
}

/** One after the other, as they are asked for: of a long backlog only what is sent. */
function* underHandle(changes: readonly LocalChange[], handle: number): Generator<LocalChange & { handle: number }> {
  for (const change of changes) yield { ...change, handle }
}
