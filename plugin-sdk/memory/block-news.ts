/**
 * What the daemon tells of blocks beside their content: that they are there, what is said of them, and that they are gone.
 * Keeps: whatever was here before is dealt with before anything that follows is looked at.
 */
import type { BlockAddress } from '../../protocol/index.ts'
import type { DiallerEffect, DiallerSession, Frame, ListenerFrame } from '../../protocol/sync/index.ts'
import type { Conversation } from './asking.ts'
import type { Entries } from './entries.ts'
import type { Entry } from './entry.ts'
import type { Intake } from './intake.ts'
import type { Liveness } from './liveness.ts'
import type { LogPosition } from './log-position.ts'
import type { Sending } from './sending.ts'
import type { SetAside } from './set-aside.ts'
import type { Watches } from './watches.ts'

export interface BlockNewsInit {
  readonly entries: Entries
  readonly intake: Intake
  readonly aside: SetAside
  readonly liveness: Liveness
  readonly position: LogPosition
  readonly sending: Sending
  readonly watches: Watches
  /** Asks the daemon for the handle of a block. */
  ask(entry: Entry): void
  /** Says something on the present conversation, if there is one. */
  say(what: (session: DiallerSession) => readonly DiallerEffect[]): void
  /** The daemon has own changes that the replica lacks. */
  onShortfall(): void
}

export class BlockNews {
  readonly #init: BlockNewsInit
  #isKnownShort = false

  constructor(init: BlockNewsInit) {
    this.#init = init
  }

  /** @param isOver the conversation has ended meanwhile */
  async introduced(
    { asking }: Conversation,
    address: BlockAddress,
    frame: Frame<ListenerFrame, 'block'>,
    isOver: () => boolean,
  ): Promise<void> {
    const { aside, entries, intake, liveness, onShortfall, position, say, sending, watches } = this.#init
    position.heard(frame.seq)
    const entry = entries.meet(address, frame.schema)
    asking.byWire.set(frame.handle, entry)
    say(() => asking.answered(frame.handle))
    if (intake.isOther(entry, frame.schema)) return
    if (intake.isLastCopy(entry, frame)) await entries.prepare(address)
    if (isOver()) return
    if (intake.introduce(entry, frame, asking.mayRemind(entry))) say(() => asking.remind(entry))
    const isFirst = entry.wire === undefined
    entry.wire = frame.handle
    if (!this.#isKnownShort && entries.isShort(entry, frame.held)) {
      // Said once: the next conversation is still short of it when it begins.
      this.#isKnownShort = true
      onShortfall()
    }
    if (entry.loaded?.handle.state === 'gone') entry.loaded.handle.setState('catching-up', 'readable again')
    const isNews = intake.held(entry, frame.held, isFirst)
    if (isFirst || isNews) sending.send(entry)
    if (entry.poison.size > 0) aside.poisoned(entry, [])
    liveness.look(entry)
    watches.look(entry)
  }

  described(entry: Entry, frame: Frame<ListenerFrame, 'meta'>): void {
    this.#init.position.heard(frame.seq)
    this.#init.intake.described(entry, frame)
    this.#init.watches.look(entry)
  }

  gone({ address, reason, seq, lacks }: Frame<ListenerFrame, 'gone'>): void {
    const { ask, entries, intake, position, watches } = this.#init
    position.heard(seq)
    const entry = entries.find(address)
    if (entry === undefined) return
    // Made here, and not known there yet: it was another one at the address that was deleted.
    if (reason === 'deleted' && entry.generation === undefined) return
    // Unknown: the daemon was set back to before the block was made; it takes it back from whoever has its word for it.
    if (reason !== 'unknown') intake.gone(entry, reason, seq)
    else if (intake.lost(entry, lacks)) ask(entry)
    watches.look(entry)
  }
}
