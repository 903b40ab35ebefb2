/**
 * What is changed here in one block, from the edit to the change that is stored and sent. The engine hands out hundreds of
 * changes in the time of six single ones, so what is typed in a turn is taken out of it together. Keeps: whoever looks at
 * the own changes of a block finds all of them, in the order in which they were made.
 */
import * as A from '@automerge/automerge'
import { type ChangeFacts, readChange } from '../../protocol/sync/index.ts'
import type { BlockInit } from './block-init.ts'
import type { BlockDocument } from './document.ts'
import { type Edit, makeEdit } from './edit.ts'
import { type LocalChange, localChange } from './local-change.ts'
import { OwnChanges } from './own-changes.ts'
import { hashOf } from './re-encoding.ts'

export class Writer<Value> {
  readonly #init: Pick<BlockInit, 'clock' | 'nextPosition' | 'onLocal'>
  readonly #document: BlockDocument<Value>
  readonly #own = new OwnChanges()
  /** Heads before what was changed and is in the document alone. */
  #since: readonly string[] | undefined

  constructor(init: Pick<BlockInit, 'clock' | 'nextPosition' | 'onLocal'>, document: BlockDocument<Value>) {
    this.#init = init
    this.#document = document
  }

  get own(): OwnChanges {
    this.tell()
    return this.#own
  }

  /** Whether there is nothing that was not told. */
  get isTold(): boolean {
    return this.#since === undefined
  }

  /** An edit runs: it may look at the block, but the engine is in the middle of a change, and asking it would end that. */
  get isEditing(): boolean {
    return this.#document.isEditing
  }

  /** Changes the document; to be told. Undefined when nothing changed. @throws as {@link makeEdit}: nothing was changed */
  edit(edit: (draft: Value) => void): Edit<Value> | undefined {
    const doc = this.#document.value
    const heads = A.getHeads(doc)
    // The clock's time, not the system's: what is written follows from what the process was given.
    const timeS = Math.floor(this.#init.clock.nowMs() / 1_000)
    const made = makeEdit(doc, timeS, (draft) => this.#guarded(() => edit(draft)))
    if (made === undefined) return undefined
    this.#document.edited(made.doc)
    this.#since ??= heads
    return made
  }

  #guarded<Result>(edit: () => Result): Result {
    const wasEditing = this.isEditing
    this.#document.isEditing = true
    try {
      return edit()
    } finally {
      this.#document.isEditing = wasEditing
    }
  }

  /**
   * Takes what was changed out of the engine and tells of it. How many changes that are.
   * @throws `change-too-large`, `bad-change` for the last change, when it is one that no daemon takes; it is taken back
   */
  tell(take: (change: LocalChange) => void = this.#init.onLocal): number {
    const since = this.#since
    if (since === undefined || this.isEditing) return 0
    this.#since = undefined
    const changes = A.getChangesSince(this.#document.value, [...since])
    for (const bytes of changes) {
      const facts = this.#read(bytes)
      const number = this.#own.nextNumber()
      const change = localChange(bytes, facts, { number, position: this.#init.nextPosition?.() ?? number })
      this.#own.add(change)
      this.#document.made(change)
      take(change)
    }
    return changes.length
  }

  /** The check that the daemon will make, while the change can still be taken back. */
  #read(bytes: Uint8Array): ChangeFacts {
    try {
      return readChange(bytes)
    } catch (error) {
      this.#document.without((hash) => hash === hashOf(bytes))
      throw error
    }
  }
}
