/**
 * What a replica tells of itself: what it follows, what it wrote, what it has. Keeps: it opens once and finishes that before
 * anything else, and says what it has only as far as it was asked to.
 */
import { MooringError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { DiallerFrame, Frame } from './frames.ts'
import { HaveAllowance } from './have.ts'

/** Actors of its own that a replica may name: more than a daemon remembers. */
const maxOwnNamed = 12_000

export class Told {
  #isOpening = false
  #ownNamed = 0
  /** Undefined unless the replica is to say what it has. */
  #have: HaveAllowance | undefined
  #hasSaid = false

  /** @throws `wrong-state` */
  check({ t }: DiallerFrame): void {
    if (t !== 'done' && this.#isOpening !== (t === 'open-more')) {
      throw new MooringError('wrong-state', { detail: 'open is finished by its last part' })
    }
  }

  /** @throws `quota-exceeded` */
  opened(frame: Frame<DiallerFrame, 'open'> | Frame<DiallerFrame, 'open-more'>): void {
    this.#isOpening = frame.t === 'open' ? frame.more === true : !frame.last
    this.#ownNamed += frame.own.length
    if (this.#ownNamed > maxOwnNamed) throw new MooringError('quota-exceeded', { detail: 'actors named in open' })
  }

  asked(): void {
    this.#have ??= new HaveAllowance()
    this.#have.grant(limits.haveBytes)
  }

  /** @throws `wrong-state`, `quota-exceeded` */
  had({ entries, last }: Frame<DiallerFrame, 'have'>): void {
    if (this.#have === undefined || this.#hasSaid) {
      throw new MooringError('wrong-state', { detail: 'have comes after resync only' })
    }
    if (this.#have.isUsedUp) throw new MooringError('quota-exceeded', { detail: 'haveBytes' })
    this.#have.use(entries)
    this.#hasSaid = last
  }
}
