/** What an author holds of a block. */
import type * as A from '@automerge/automerge'
import {
  type BlockAddress,
  type BlockMeta,
  MooringError,
  type Problem,
  type SchemaName,
  type SchemaValues,
  schemaNamed,
} from '../../protocol/index.ts'
import type { Block } from './block.ts'
import { maxAsideBytes } from './store.ts'

/**
 * `live`: what is written here reaches the others, what they write arrives. `catching-up`: connected, and what was
 * missed is on its way. `offline`: edits are kept and sent later. `denied`: the daemon refuses edits for now or for
 * good. `gone`: the block is deleted or no longer readable.
 */
export type BlockState = 'live' | 'catching-up' | 'offline' | 'denied' | 'gone'

/**
 * Changes that the daemon refused for good: taken out of the block, kept here. So is, as a whole, a generation of the block
 * that the daemon lost and did not take back (`generation-lost`).
 */
export interface RefusedChanges {
  readonly id: number
  readonly code: string
  readonly detail: string | undefined
  /** Raw Automerge changes, oldest first. */
  readonly changes: readonly Uint8Array[]
}

export interface BlockEvents {
  /** What is said of the block beside its content was changed. */
  meta: { readonly meta: BlockMeta }
  /** The content changed: `local` when it was changed here, else once for everything that arrived together. */
  change: { readonly local: boolean }
  state: { readonly state: BlockState; readonly reason: string }
  refused: RefusedChanges
}

/** From a plugin in JavaScript anything may come. */
const events: ReadonlySet<string> = new Set<keyof BlockEvents>(['change', 'meta', 'state', 'refused'])

type Listener<Event> = (event: Event) => void

interface Waiter {
  /** Settled when every change up to this number is. */
  upTo: number
  resolve(): void
  reject(error: MooringError): void
}

export interface HandleComponents<Name extends SchemaName> {
  readonly block: Block<Name>
  /** What is said of it beside its content. */
  meta(): BlockMeta
  onListenerError(error: unknown): void
  /** Resolves when all that was changed so far is durable on this machine. */
  saved(): Promise<void>
  /** @throws `storage-full` while more waits for the disk than memory should hold */
  checkRoom(): void
  /** Forgets what was kept aside. */
  onDrop(id: number): void
}

export class BlockHandle<Name extends SchemaName = SchemaName> {
  readonly #components: HandleComponents<Name>
  readonly #listeners = new Map<keyof BlockEvents, Set<Listener<never>>>()
  readonly #refused: RefusedChanges[] = []
  #waiters: Waiter[] = []
  #isEnded = false
  #state: BlockState = 'offline'
  #reason = 'not connected yet'
  /** Why the block is not to be had, on the present conversation. */
  #denial: MooringError | undefined

  constructor(components: HandleComponents<Name>) {
    this.#components = components
  }

  get address(): BlockAddress {
    return this.#components.block.address
  }

  get schema(): Name {
    return this.#components.block.schema
  }

  /** The newest content; applies what has arrived. Never change it directly: see {@link change}. */
  get value(): A.Doc<SchemaValues[Name]> {
    return this.#components.block.value
  }

  /** What is said of the block beside its content, as the daemon told it last; changed by `block.updateMetadata`. */
  get meta(): BlockMeta {
    return this.#components.meta()
  }

  /** Where the content is not what the schema and `meta.options` say: any replica may write anything. The first places. */
  get problems(): readonly Problem[] {
    return schemaNamed(this.schema).validate(this.value, this.meta.options)
  }

  get state(): BlockState {
    return this.#state
  }

  /** Why the state is what it is, in words. */
  get reason(): string {
    return this.#reason
  }

  /** Changes made here that the daemon has not settled. */
  get pending(): number {
    return this.#components.block.unsettled.length
  }

  /** What was refused for good, oldest first. */
  get refused(): readonly RefusedChanges[] {
    return this.#refused
  }

  /** Lets go of what was refused: whoever has seen it, or has written it anew, need not keep it for ever. */
  dropRefused({ id }: RefusedChanges): void {
    const index = this.#refused.findIndex((refused) => refused.id === id)
    if (index < 0) return
    this.#refused.splice(index, 1)
    this.#components.onDrop(id)
  }

  /**
   * Changes the content: at once here, in a moment everywhere; offline too.
   * @throws `change-too-large`, `block-deleted`, `storage-full` when the disk has been full for so long that no more can
   * be kept in memory, `wrong-state` after the plugin has stopped: nothing was changed
   */
  change(edit: (draft: SchemaValues[Name]) => void): void {
    if (this.#state === 'gone') throw new MooringError('block-deleted', { detail: this.#reason })
    if (this.#isEnded) throw new MooringError('wrong-state', { detail: this.#reason })
    if (typeof edit !== 'function')
      throw new MooringError('invalid-input', { detail: 'an edit is a function of the draft' })
    this.#components.checkRoom()
    if (!this.#components.block.change(edit)) return
    this.emit('change', { local: true })
  }

  /**
   * Resolves when everything changed so far is durable on this machine: it survives the end of the process, and reaches
   * the daemon whenever a process of this plugin is connected.
   *
   * @throws `storage-full`: it is kept in memory, sent, and written when there is space; `storage-failed`; `wrong-state`
   * when the plugin keeps its replica in memory only
   */
  saved(): Promise<void> {
    return this.#components.saved()
  }

  /**
   * Resolves when everything changed so far is durable at the daemon.
   *
   * @throws the code of a refusal that is for good; `cancelled` by the signal, or when the plugin stops before: what is
   * saved is then sent by its next process
   */
  flushed(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = { upTo: this.#components.block.own.made, resolve, reject }
      this.#waiters.push(waiter)
      const abort = (): void => reject(new MooringError('cancelled'))
      options.signal?.addEventListener('abort', abort, { once: true })
      this.settled()
      if (options.signal?.aborted) abort()
      if (this.#isEnded) this.end()
    })
  }

  /**
   * Resolves when the block is live; until the daemon is there it waits.
   *
   * @throws what the daemon refuses the block with for good: `grant-missing`, `address-taken` for another schema;
   * `block-deleted`; `cancelled` by the signal, or when the plugin stops
   */
  live(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.#state === 'live') finish(resolve)
        else if (this.#state === 'gone')
          finish(() => reject(new MooringError('block-deleted', { detail: this.#reason })))
        else if (this.#isEnded) abort()
        else if (this.#denial !== undefined) {
          const denial = this.#denial
          finish(() => reject(denial))
        }
      }
      const abort = (): void => finish(() => reject(new MooringError('cancelled', { detail: this.#reason })))
      const stop = this.on('state', look)
      const finish = (then: () => void): void => {
        stop()
        options.signal?.removeEventListener('abort', abort)
        then()
      }
      options.signal?.addEventListener('abort', abort, { once: true })
      if (options.signal?.aborted) abort()
      else look()
    })
  }

  /** Returns how to stop listening. @throws `invalid-input` for an event that there is not */
  on<Event extends keyof BlockEvents>(event: Event, listener: Listener<BlockEvents[Event]>): () => void {
    if (!events.has(event) || typeof listener !== 'function') {
      const detail = `on takes one of ${[...events].join(', ')}, and a function`
      throw new MooringError('invalid-input', { detail })
    }
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners.add(listener as Listener<never>))
    return () => listeners.delete(listener as Listener<never>)
  }

  /** @internal */
  emit<Event extends keyof BlockEvents>(event: Event, value: BlockEvents[Event]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      // An author's listener must not end the sync of every block.
      try {
        ;(listener as Listener<BlockEvents[Event]>)(value)
      } catch (error) {
        this.#components.onListenerError(error)
      }
    }
  }

  /** @internal `denial`: the daemon has refused the block, and not an edit of it, for good. */
  setState(state: BlockState, reason: string, denial?: MooringError): void {
    const isSame =
      state === this.#state && reason === this.#reason && (denial === undefined) === (this.#denial === undefined)
    this.#denial = denial
    if (isSame) return
    this.#state = state
    this.#reason = reason
    this.emit('state', { state, reason })
  }

  /** @internal Looks which waiters are done. */
  settled(): void {
    const oldest = this.#components.block.unsettled[0]?.number ?? Number.POSITIVE_INFINITY
    const done = this.#waiters.filter((waiter) => waiter.upTo < oldest)
    this.#waiters = this.#waiters.filter((waiter) => waiter.upTo >= oldest)
    for (const waiter of done) waiter.resolve()
  }

  /** @internal The plugin has stopped: nothing is settled any more, and whoever waits for it is told. */
  end(): void {
    this.#isEnded = true
    const waiters = this.#waiters
    this.#waiters = []
    for (const { reject } of waiters) reject(new MooringError('cancelled', { detail: 'the plugin has stopped' }))
    if (this.#state !== 'gone') this.setState('offline', 'the plugin has stopped')
  }

  /** @internal What was refused before this process. */
  recall(refused: readonly RefusedChanges[]): void {
    this.#refused.unshift(...refused)
  }

  /** @internal What was refused was written again: who waits for it waits for that. */
  rewritten(refused: RefusedChanges): void {
    for (const waiter of this.#waiters) waiter.upTo = this.#components.block.own.made
    this.#keep(refused)
    this.emit('refused', refused)
  }

  /** @internal */
  refuse(refused: RefusedChanges, error: MooringError): void {
    this.#keep(refused)
    this.giveUp(error)
    this.emit('refused', refused)
  }

  /** @internal What is unsettled is not known to be settled ever. */
  giveUp(error: MooringError): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(error)
  }

  /** The oldest goes when there is more than anybody will look at, and never all of it. */
  #keep(refused: RefusedChanges): void {
    this.#refused.push(refused)
    let bytes = this.#refused.reduce((sum, each) => sum + sizeOf(each), 0)
    while (bytes > maxAsideBytes && this.#refused.length > 1) bytes -= sizeOf(this.#refused.shift() ?? refused)
  }
}

const sizeOf = ({ changes }: RefusedChanges): number => changes.reduce((sum, { byteLength }) => sum + byteLength, 0)
