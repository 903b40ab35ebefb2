/**
 * When the watchers hear of what was committed. At once while that costs little; when telling everybody took T, what is
 * committed in the next T goes out together, as one group for each block and author. So the cost of a watcher is that of
 * its bytes and of a bounded number of frames, and telling never takes more than half of the main thread's time. A frame
 * costs who gets it far more than who sends it: where many watch one block, it waits for them as well. Keeps:
 * log order, and nothing is readable before it was handed over here.
 */
import type { Clock } from '../../protocol/index.ts'
import type { Seq } from '../storage/storage.ts'
import { joinGroups, type LogGroup, type Ring } from './ring.ts'

export interface FanOutInit {
  readonly ring: Ring
  readonly clock: Clock
  /** Everything up to here can be read from disk. */
  readonly position: Seq
}

/** However many watch: what was committed is on its way after this time. */
const maxWaitMs = 50
/** About what a frame costs its reader, mostly for the signature and for the call of the engine that applies it. */
const readerMs = 1

export class FanOut {
  readonly #init: FanOutInit
  readonly #listeners = new Set<() => void>()
  #groups: LogGroup[] = []
  #committed: Seq
  #position: Seq
  #mayTellAtMs = 0
  #isTelling = false
  #cancel: (() => void) | undefined

  constructor(init: FanOutInit) {
    this.#init = init
    this.#position = init.position
    this.#committed = init.position
  }

  /** Watchers may read up to here. */
  get position(): Seq {
    return this.#position
  }

  /** Told whenever there is more to read. Listeners must not throw and must not wait. Returns how to stop listening. */
  onMore(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Hands over what a commit brought, up to a position. */
  add(groups: readonly LogGroup[], committed: Seq): void {
    this.#groups.push(...groups)
    this.#committed = committed
    if (this.#isTelling || this.#cancel !== undefined) return
    const waitMs = this.#mayTellAtMs - this.#init.clock.monotonicMs()
    if (waitMs <= 0) this.#tell()
    else this.#wait(waitMs)
  }

  /** Tells at once: who begins to read now must find the log where the index of blocks says that it is. */
  flush(): Seq {
    this.#cancel?.()
    this.#cancel = undefined
    if (this.#committed > this.#position) this.#tell()
    return this.#position
  }

  /** Rows have moved: what is in memory is no longer all that there is, and everyone reads from disk for once. */
  restart(committed: Seq): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#groups = []
    this.#committed = committed
    this.#position = committed
    this.#init.ring.clear(committed)
    for (const listener of this.#listeners) listener()
  }

  #wait(ms: number): void {
    this.#cancel = this.#init.clock.after(ms, () => {
      this.#cancel = undefined
      this.#tell()
    })
  }

  #tell(): void {
    const { clock, ring } = this.#init
    const startMs = clock.monotonicMs()
    const groups = [...joinGroups(this.#groups)]
    for (const group of groups) ring.push(group)
    this.#groups = []
    this.#position = this.#committed
    this.#isTelling = true
    for (const listener of this.#listeners) listener()
    // What the listeners began runs on until nothing is ready any more; the event loop gets its turn after that.
    setImmediate(() => {
      this.#isTelling = false
      const nowMs = clock.monotonicMs()
      const readers = groups.reduce((most, { sent }) => Math.max(most, sent), 1)
      const waitMs = Math.min(maxWaitMs, Math.max(nowMs - startMs, (readers - 1) * readerMs))
      this.#mayTellAtMs = nowMs + waitMs
      if (this.#committed > this.#position && this.#cancel === undefined) this.#wait(waitMs)
    })
  }
}
