/** Sends what was made here. Keeps: in order, each change once, as few frames as the turns that {@link SendTurn} gives. */
import type { Clock } from '../../protocol/index.ts'
import { type DiallerEffect, type DiallerSession, signTip } from '../../protocol/sync/index.ts'
import type { Entry } from './entry.ts'
import { changesAfter } from './local-change.ts'
import { SendTurn } from './send-turn.ts'

export interface SendingInit {
  /** Signs for the changes that are sent. */
  readonly seed: Uint8Array
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

  constructor(init: SendingInit) {
    this.#init = init
    const { clock } = init
    this.#turn = new SendTurn({ clock, isBusy: () => init.isBusy(), send: (entry) => this.send(entry) })
  }

  /** Something was changed: it is sent at the end of this turn, or with what follows. */
  changed(entry: Entry): void {
    this.#turn.add(entry)
  }

  /** Something that was sent is settled. */
  answered(): void {
    this.#turn.answered()
  }

  /** What is unsettled and was not sent on the present conversation; nothing while the block is refused for now. */
  send(entry: Entry): void {
    const { address, generation, loaded, wire } = entry
    // A quiet block has no handle before there is something to say about it.
    if (wire === undefined) this.#init.ask(entry)
    if (loaded === undefined || wire === undefined || generation === undefined || entry.retry !== undefined) return
    this.#init.say((session) => {
      const changes = changesAfter(loaded.block.unsettled, entry.sentUpTo)
      const last = changes.at(-1)
      if (last === undefined) return []
      entry.sentUpTo = last.number
      const own = changes.map((change) => ({ ...change, handle: wire }))
      return session.submit(wire, own, ({ actor, seq, hash }) => {
        const tip = { address, generation, actor: actor as never, seq, hash }
        return { actor: tip.actor, seq, hash, signature: signTip(this.#init.seed, tip) }
      })
    })
  }

  /** The conversation has ended; what waits is sent on the next one. */
  stop(): void {
    this.#turn.clear()
  }
}
