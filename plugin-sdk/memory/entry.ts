/**
 * One block in its conversation with the daemon: what was sent, what was refused and when it is sent again. Keeps true:
 * a change is settled, waiting, or set aside where its author can read it; it never just disappears.
 */
import { type ChangeHash, type Clock, errorTable, isErrorCode, MooringError } from '../../protocol/index.ts'
import {
  type Frame,
  type ListenerFrame,
  type OwnChange,
  type Refusal,
  type SentTip,
  signTip,
} from '../../protocol/sync/index.ts'
import type { Block, LocalChange } from './block.ts'
import type { BlockHandle } from './handle.ts'

/** What an entry needs of the replica it belongs to. */
export interface EntryComponents {
  readonly block: Block
  readonly handle: BlockHandle
  readonly clock: Clock
  /** Ed25519 seed of the plugin's key: signs the tips. */
  readonly seed: Uint8Array
  /** Hands changes to the present conversation, if there is one. */
  submit(wire: number, changes: readonly OwnChange[], tipOf: (change: OwnChange) => SentTip): void
  /** Asks the daemon for the block again. */
  askAgain(): void
  /** Whether everything that was missed has arrived. */
  isSynced(): boolean
}

/** Below every number of a change. */
const nothingSent = Number.NEGATIVE_INFINITY
/** When the daemon gives no time of its own. */
const defaultRetryMs = 1_000

export class Entry {
  readonly block: Block
  readonly handle: BlockHandle
  /** The address holds a block of another schema: what comes of it is not for this document. */
  isOther = false
  readonly #components: EntryComponents
  /** Handle on the present conversation, once the daemon introduced the block there. */
  #wire: number | undefined
  /** Number of the newest local change that was handed to the present conversation. */
  #sentUpTo = nothingSent
  /** Code of a refusal for now; everything is sent again when its time has come. */
  #waitsFor: string | undefined
  #cancelRetry: (() => void) | undefined

  constructor(components: EntryComponents) {
    this.#components = components
    this.block = components.block
    this.handle = components.handle
  }

  get wire(): number | undefined {
    return this.#wire
  }

  /** Hands over what was changed here and not sent on this conversation. */
  sendUnsent(): void {
    const wire = this.#wire
    const { address, generation } = this.block
    if (wire === undefined || generation === undefined || this.#waitsFor !== undefined) return
    const changes = this.block.unsettledAfter(this.#sentUpTo)
    const last = changes.at(-1)
    if (last === undefined) return
    this.#sentUpTo = last.number
    const own = changes.map((change) => ({ ...change, handle: wire }))
    this.#components.submit(wire, own, ({ actor, seq, hash }) => {
      const tip = { address, generation, actor: actor as never, seq, hash }
      return { actor: tip.actor, seq, hash, signature: signTip(this.#components.seed, tip) }
    })
  }

  /** The daemon told the handle of the block on this conversation, and what it holds of ours. */
  introduced(frame: Frame<ListenerFrame, 'block'>): void {
    const { block, handle } = this
    this.isOther = frame.schema !== block.schema
    if (this.isOther) {
      handle.setState('denied', `the block at this address has the schema ${frame.schema}`)
      return
    }
    if (block.generation !== undefined && block.generation !== frame.generation) {
      this.#keepAside(block.reset(), { code: 'block-deleted', detail: 'another generation', retryAfterMs: undefined })
    }
    block.generation = frame.generation
    const isFirst = this.#wire === undefined
    this.#wire = frame.handle
    if (handle.state === 'gone') handle.setState('catching-up', 'readable again')
    const held = new Map<string, number>(frame.held.map(({ actor, seq }) => [actor, seq]))
    if (isFirst) block.unsettleBeyond(held)
    const known = block.unsettled.filter((change) => change.seq <= (held.get(change.actor) ?? 0))
    if (known.length > 0) this.settled(new Set(known.map((change) => change.hash)))
    if (isFirst || known.length > 0) this.sendUnsent()
    this.goLive()
  }

  goLive(): void {
    if (!this.#components.isSynced() || this.handle.state === 'gone') return
    if (this.#wire !== undefined && this.#waitsFor === undefined)
      this.handle.setState('live', 'in step with the daemon')
  }

  settled(hashes: ReadonlySet<string>): void {
    this.block.settle(hashes)
    this.handle.settled()
  }

  refused(hashes: ReadonlySet<ChangeHash>, error: Refusal): void {
    const first = this.block.unsettled.find((change) => hashes.has(change.hash))
    if (first === undefined) return
    if (isRetryable(error)) this.#retryLater(error)
    else this.#refuseForGood(first, error)
  }

  /** Something arrived: what was missing may be among it, as after a restore, when everyone supplies what it has. */
  arrived(): void {
    if (this.#waitsFor === 'missing-deps') this.#retryNow()
  }

  /** The daemon did not give the block. */
  createRefused(error: Refusal): void {
    if (this.#wire !== undefined) return
    if (isRetryable(error)) {
      this.handle.setState('denied', `${describe(error)}; will be asked for again`)
      this.#after(error, () => {
        if (this.#wire === undefined) this.#components.askAgain()
      })
      return
    }
    const [first] = this.block.unsettled
    if (first !== undefined) this.#refuseForGood(first, error)
    this.handle.setState('denied', describe(error))
  }

  gone(reason: Frame<ListenerFrame, 'gone'>['reason']): void {
    // The daemon was set back to before the block was made: the create that was sent makes it again.
    if (reason === 'unknown') return
    this.handle.setState('gone', reason)
    // Not readable is not deleted: what is on its way may still be stored, and the answer to it decides.
    if (reason !== 'deleted') return
    const [first] = this.block.unsettled
    const error = { code: 'block-deleted', detail: reason, retryAfterMs: undefined }
    if (first !== undefined) this.#keepAside(this.block.setAside(first), error)
    this.#wire = undefined
  }

  /** The conversation ended: everything that is not settled is sent on the next one. */
  left(): void {
    this.#wire = undefined
    this.#sentUpTo = nothingSent
    this.#waitsFor = undefined
    this.#cancelRetry?.()
    if (this.handle.state !== 'gone') {
      this.handle.setState('offline', 'the connection ended; edits are kept and sent later')
    }
  }

  free(): void {
    this.#cancelRetry?.()
    this.block.free()
  }

  /** Nothing is undone: the same changes are sent again, in order, from the first that was refused. */
  #retryLater(error: Refusal): void {
    this.#waitsFor ??= error.code
    this.handle.setState('denied', `${describe(error)}; will be sent again`)
    this.#after(error, () => this.#retryNow())
  }

  #retryNow(): void {
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    this.#waitsFor = undefined
    this.#sentUpTo = nothingSent
    this.sendUnsent()
    this.goLive()
  }

  #after({ retryAfterMs }: Refusal, run: () => void): void {
    this.#cancelRetry?.()
    this.#cancelRetry = this.#components.clock.after(retryAfterMs ?? defaultRetryMs, run)
  }

  #refuseForGood(first: LocalChange, error: Refusal): void {
    this.#keepAside(this.block.setAside(first), error)
    this.handle.setState('denied', describe(error))
  }

  #keepAside(aside: readonly LocalChange[], error: Refusal): void {
    if (aside.length === 0) return
    const { code, detail } = error
    this.handle.refuse({ code, detail, changes: aside.map((change) => change.bytes) }, toError(error))
  }
}

const isRetryable = ({ code }: Refusal): boolean => isErrorCode(code) && errorTable[code].retryable

const describe = (error: Refusal): string => toError(error).message

function toError({ code, detail }: Refusal): MooringError {
  return new MooringError(isErrorCode(code) ? code : 'internal', detail === undefined ? {} : { detail })
}
