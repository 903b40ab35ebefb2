/** When a replica at the tail of the log is given a cursor: each costs it a write, so there is at most one a second. */
import type { Clock } from '../../protocol/index.ts'
import type { Epoch, Seq } from '../storage/storage.ts'
import { encodeCursor } from './cursor.ts'

export interface CursorIssuerInit {
  readonly clock: Clock
  readonly epochs: readonly Epoch[]
  /** Told when a cursor that had to wait is due. */
  onDue(): void
}

const everyMs = 1_000

export class CursorIssuer {
  readonly #init: CursorIssuerInit
  #issued: Seq = -1
  #issuedAtMs = Number.NEGATIVE_INFINITY
  #cancel: (() => void) | undefined

  constructor(init: CursorIssuerInit) {
    this.#init = init
  }

  /** What the cursors issued so far were for has changed: the next one is due although the log has not moved. */
  expire(): void {
    this.#issued = -1
  }

  /** A cursor for the position; undefined when there is one already, or when it is not due yet. */
  issue(position: Seq, view: () => string): Uint8Array | undefined {
    if (this.#issued >= position) return undefined
    const { clock, epochs, onDue } = this.#init
    const dueMs = this.#issuedAtMs + everyMs - clock.monotonicMs()
    if (dueMs > 0) {
      this.#cancel ??= clock.after(dueMs, () => {
        this.#cancel = undefined
        onDue()
      })
      return undefined
    }
    this.#issued = position
    this.#issuedAtMs = clock.monotonicMs()
    return encodeCursor({ epoch: epochs.at(-1)?.id ?? '', seq: position, view: view() })
  }

  stop(): void {
    this.#cancel?.()
  }
}
