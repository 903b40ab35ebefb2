/**
 * How far a replica has read of the daemon's log, as it says when a conversation opens. Keeps: a cursor is only kept while
 * the daemon has what is here, and a log that ends before something that was heard of is not taken for the one it was.
 */
import type { Entries, Keeping } from './entries.ts'

export interface LogPositionInit {
  readonly entries: Entries
  readonly keeping: Keeping | undefined
}

export class LogPosition {
  readonly #init: LogPositionInit
  #cursor: Uint8Array | undefined
  /** Highest log position heard of after the cursor; stored along with what it was heard with. */
  #seen: number

  constructor(init: LogPositionInit) {
    this.#init = init
    this.#cursor = init.keeping?.store.state.cursor
    this.#seen = init.keeping?.store.state.seen ?? 0
  }

  /** What a conversation opens with. */
  get said(): { readonly cursor?: Uint8Array; readonly seen?: number } {
    // To who has no cursor the daemon shows what it has: an empty one makes it ask first what is here.
    const cursor = this.#cursor ?? (this.#init.entries.areKnown ? new Uint8Array() : undefined)
    return cursor === undefined ? {} : { cursor, seen: this.#seen }
  }

  /** Of something that has this place in the log. */
  heard(seq = 0): void {
    this.#seen = Math.max(this.#seen, seq)
  }

  /** Everything up to the cursor is here, and handed to the store. */
  synced(cursor: Uint8Array): void {
    const { entries, keeping } = this.#init
    // No cursor speaks for what the daemon has lost: it is told of that again by the next conversation.
    if (entries.areLost) return
    this.#cursor = cursor
    this.#seen = 0
    keeping?.journal.add({ kind: 'cursor', cursor })
  }
}
