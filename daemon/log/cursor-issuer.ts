/** When a replica at the tail of the log is given a cursor: each costs it a write, so there is at most one a second. */
import type { Clock } from '../../protocol/index.ts'
import type { Epoch, Seq } from '../storage/storage.ts'
import { encodeCursor, noCursor } from './cursor.ts'

export interface CursorIssuerInit {
  readonly clock: Clock
  readonly epochs: readonly Epoch[]
  /** What the replica is sent, as it stands in a cursor. */
  view(): string
  /** Whether the replica has more than the log, and has not sent it on this stream. */
  hasMore(): boolean
  /** Told when a cursor that had to wait is due. */
  onDue(): void
}

const everyMs = 1_000

export class CursorIssuer {
  readonly #init: CursorIssuerInit
  #issued: Seq = -1
  #wasShort = false
  #issuedAtMs = Number.NEGATIVE_INFINITY
  #cancel: (() => void) | undefined

  constructor(init: CursorIssuerInit) {
    this.#init = init
  }

  /** What the cursors issued so far were for has changed: the next one is due although the log has not moved. */
  expire(): void {
    this.#issued = -1
  }

  /**
   * A cursor for the position; {@link noCursor} while the replica has more than the log: it is in step with the log, and not
   * the log with it. Undefined when it was given already, or when it is not due yet.
   */
  issue(position: Seq): Uint8Array | undefined {
    const { clock, epochs, hasMore, onDue, view } = this.#init
    const isShort = hasMore()
    if (this.#issued >= position && this.#wasShort === isShort) return undefined
    const dueMs = this.#issuedAtMs + everyMs - clock.monotonicMs()
    if (dueMs > 0) {
      this.#cancel ??= clock.after(dueMs, () => {
        this.#cancel = undefined
        onDue()
      })
      return undefined
    }
    this.#issued = position
    this.#wasShort = isShort
    this.#issuedAtMs = clock.monotonicMs()
    return isShort ? noCursor : encodeCursor({ epoch: epochs.at(-1)?.id ?? '', seq: position, view: view() })
  }

  stop(): void {
    this.#cancel?.()
  }
}
