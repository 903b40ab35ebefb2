/**
 * Gets back what the log has lost and replicas still hold: after a restore of the store, or for a row that is damaged.
 * Keeps: for one block one replica is asked at a time, and only for what is missing when its turn comes, so that a
 * hundred that hold the same send it once; one that does not answer only delays the next, and no key more than once before
 * every other has been asked; who was asked in vain is given no cursor, so that its next stream is asked again.
 */
import type { ActorId, BlockAddress, PeerId } from '../../protocol/ids.ts'
import type { Clock as Time } from '../../protocol/index.ts'
import type { BlockId, ClockRow, Seq } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import type { LogReader } from './log-reader.ts'
import type { Clock } from './possession.ts'

/** Up to where the log goes for an actor. */
export interface Reach {
  readonly actor: ActorId
  readonly seq: Seq
}

/** A replica that may be asked. */
export interface Supplier {
  readonly peer: PeerId
  /** Whether what it sends for this address is taken. */
  mayWrite(address: BlockAddress): boolean
  /** Asks for everything beyond this. */
  ask(block: BlockId, clock: readonly Reach[]): void
  /** What is remembered of what it has has grown, or shrunk, by so many actors. @throws `quota-exceeded` */
  holds(actors: number): void
  /** It has more than the log, and is not asked for that any more. */
  isLeftAhead(): void
}

export interface ResupplyInit {
  readonly index: Pick<BlockIndex, 'byId'>
  readonly reader: Pick<LogReader, 'clock'>
  readonly clock: Time
}

interface Offer {
  readonly supplier: Supplier
  /** What it says to hold beyond what the log had. */
  readonly beyond: Clock
  /** How often it was asked since something of it came. */
  asked: number
  /** Changes of it that the log lacked when it was looked at last. */
  lacking: number
  /** Set while it is left alone for a moment. */
  cancelRest: (() => void) | undefined
}

/** The replicas that hold more of one block, in the order in which they said so. */
interface Desk {
  readonly offers: Set<Offer>
  /** Those that have had a turn, the last of them last. */
  readonly keys: Set<PeerId>
  turn: { readonly offer: Offer; cancel(): void } | undefined
  isChoosing: boolean
}

/** For an answer; a large one takes several windows of credit. */
const turnMs = 20_000
/** What was refused for now, or did not fit one answer, is asked for again while something comes, and so often in vain. */
const maxAsked = 4
const restMs = 2_000

export class Resupply {
  readonly #init: ResupplyInit
  readonly #desks = new Map<BlockId, Desk>()

  constructor(init: ResupplyInit) {
    this.#init = init
  }

  /** A replica says what it holds of a block, which is `held` of the same actors at this moment. */
  offer(supplier: Supplier, block: BlockId, claimed: Clock, held: readonly ClockRow[]): void {
    const beyond = new Map([...claimed].filter(isBeyond(held)))
    if (beyond.size === 0) return
    supplier.holds(beyond.size)
    const desk = this.#desks.get(block) ?? { offers: new Set(), keys: new Set(), turn: undefined, isChoosing: false }
    this.#desks.set(block, desk)
    desk.offers.add({ supplier, beyond, asked: 0, lacking: Number.POSITIVE_INFINITY, cancelRest: undefined })
    void this.#next(block, desk)
  }

  /** It has sent what it can, and all of that was taken or refused. */
  done(supplier: Supplier, block: BlockId): void {
    const desk = this.#desks.get(block)
    const offer = desk?.turn?.offer
    if (desk === undefined || offer?.supplier !== supplier) return
    this.#endTurn(desk)
    // Looked at again after the others: by then there may be nothing left to ask for.
    offer.cancelRest = this.#init.clock.after(restMs, () => {
      offer.cancelRest = undefined
      void this.#next(block, desk)
    })
    void this.#next(block, desk)
  }

  /** Its conversation has ended. */
  leave(supplier: Supplier): void {
    for (const [block, desk] of this.#desks) {
      for (const offer of desk.offers) if (offer.supplier === supplier) this.#drop(desk, offer)
      void this.#next(block, desk)
    }
  }

  /** Begins the next turn, unless there is one. Never rejects: who is not asked now is asked at its next connection. */
  async #next(block: BlockId, desk: Desk): Promise<void> {
    if (desk.turn !== undefined || desk.isChoosing) return
    desk.isChoosing = true
    while (desk.turn === undefined) {
      const offer = this.#choose(desk)
      if (offer === undefined) break
      try {
        await this.#turnOf(block, desk, offer)
      } catch {
        this.#giveUp(desk, offer)
      }
    }
    desk.isChoosing = false
    if (desk.offers.size === 0) this.#desks.delete(block)
  }

  /** Of the keys the one that was asked longest ago, of its replicas that as well. */
  #choose({ keys, offers }: Desk): Offer | undefined {
    const ready = [...offers].filter(({ cancelRest }) => cancelRest === undefined)
    const next = [...keys].find((key) => ready.some(({ supplier }) => supplier.peer === key))
    return (
      ready.find(({ supplier }) => !keys.has(supplier.peer)) ?? ready.find(({ supplier }) => supplier.peer === next)
    )
  }

  async #turnOf(block: BlockId, desk: Desk, offer: Offer): Promise<void> {
    const lacking = await this.#lacking(block, offer)
    // It may have left meanwhile.
    if (!desk.offers.has(offer)) return
    const left = lacking.reduce((sum, { actor, seq }) => sum + (offer.beyond.get(actor) ?? 0) - seq, 0)
    if (left < offer.lacking) offer.asked = 0
    offer.lacking = left
    const row = this.#init.index.byId(block)
    if (lacking.length === 0 || row?.deletedSeq !== 0) this.#drop(desk, offer)
    else if (!offer.supplier.mayWrite(row.address) || ++offer.asked > maxAsked) this.#giveUp(desk, offer)
    else this.#begin(block, desk, offer, lacking)
  }

  #begin(block: BlockId, desk: Desk, offer: Offer, lacking: readonly Reach[]): void {
    const cancel = this.#init.clock.after(turnMs, () => {
      this.#giveUp(desk, offer)
      void this.#next(block, desk)
    })
    desk.turn = { offer, cancel }
    // To the end: the others come before it is asked once more.
    desk.offers.delete(offer)
    desk.offers.add(offer)
    desk.keys.delete(offer.supplier.peer)
    desk.keys.add(offer.supplier.peer)
    offer.supplier.ask(block, lacking)
  }

  /** What the log has by now of what the replica has more of. */
  async #lacking(block: BlockId, { beyond }: Offer): Promise<Reach[]> {
    const held = await this.#init.reader.clock(block, beyond.keys() as Iterable<ActorId>)
    const reach = new Map<string, Seq>(held.map(({ actor, seq }) => [actor, seq]))
    const more = [...beyond].filter(isBeyond(held))
    return more.map(([actor]) => ({ actor: actor as ActorId, seq: reach.get(actor) ?? 0 }))
  }

  #endTurn(desk: Desk): void {
    desk.turn?.cancel()
    desk.turn = undefined
  }

  /** Nothing came, or not all. Whatever it was, a cursor would say that the replica need not be asked again. */
  #giveUp(desk: Desk, offer: Offer): void {
    if (desk.offers.has(offer)) offer.supplier.isLeftAhead()
    this.#drop(desk, offer)
  }

  #drop(desk: Desk, offer: Offer): void {
    if (desk.turn?.offer === offer) this.#endTurn(desk)
    offer.cancelRest?.()
    if (desk.offers.delete(offer)) offer.supplier.holds(-offer.beyond.size)
  }
}

function isBeyond(held: readonly ClockRow[]): (claimed: readonly [string, Seq]) => boolean {
  const reach = new Map<string, Seq>(held.map(({ actor, seq }) => [actor, seq]))
  return ([actor, seq]) => seq > (reach.get(actor) ?? 0)
}
