/**
 * What a document can be built from again. Keeps true: a change that the engine cannot take costs that change alone. A
 * throw inside the engine leaves the document half changed and useless, and one plugin can make such a change for all.
 */
import * as A from '@automerge/automerge'

/** Changes kept one by one before they are folded; from then on as many as are in the folded form. */
const minTail = 2_000
/** More in one batch are no accident: the block then takes nothing more, instead of the time of its process. */
const maxPoison = 8

export class History<Value> {
  /** A saved document; undefined stands for an empty one. */
  #base: Uint8Array | undefined
  #tail: Uint8Array[] = []
  #folded = 0

  constructor(base: Uint8Array) {
    this.#base = base
  }

  /** Begins again from a document and changes on top of it. */
  restart(base: Uint8Array | undefined, tail: readonly Uint8Array[]): void {
    this.#base = base
    this.#tail = [...tail]
    this.#folded = 0
  }

  /** These are in the document now. */
  add(chunks: readonly Uint8Array[], doc: A.Doc<Value>): void {
    for (const chunk of chunks) this.#tail.push(chunk)
    if (this.#tail.length < Math.max(minTail, this.#folded)) return
    this.#base = A.save(doc)
    this.#folded += this.#tail.length
    this.#tail = []
  }

  /**
   * The document with all of the batch that the engine takes, after it could not take the batch as a whole.
   * @throws when the document cannot be built without the batch either, or too many changes of it cannot be taken
   */
  recover(batch: readonly Uint8Array[], actor: () => string): { doc: A.Doc<Value>; poison: Uint8Array[] } {
    const poison: Uint8Array[] = []
    let taken: Uint8Array[] = []
    let rest = [...batch]
    for (;;) {
      const whole = this.#build([...taken, ...rest], actor)
      if (whole !== undefined) {
        this.add([...taken, ...rest], whole)
        return { doc: whole, poison }
      }
      if (poison.length === maxPoison) throw new Error('too many changes that the engine cannot take')
      // The shortest beginning that fails ends with the change that makes it fail.
      let fits = 0
      let fails = rest.length
      while (fails - fits > 1) {
        const middle = (fits + fails) >>> 1
        const part = this.#build([...taken, ...rest.slice(0, middle)], actor)
        if (part === undefined) fails = middle
        else fits = middle
        if (part !== undefined) A.free(part)
      }
      const culprit = rest[fits]
      if (culprit === undefined) throw new Error('the document cannot be built again')
      poison.push(culprit)
      taken = [...taken, ...rest.slice(0, fits)]
      rest = rest.slice(fits + 1)
    }
  }

  #build(more: readonly Uint8Array[], actor: () => string): A.Doc<Value> | undefined {
    try {
      const empty =
        this.#base === undefined ? A.init<Value>({ actor: actor() }) : A.load<Value>(this.#base, { actor: actor() })
      return A.applyChanges(empty, [...this.#tail, ...more])[0]
    } catch {
      // The engine throws errors of its own and plain strings; whatever it was, this is not a document.
      return undefined
    }
  }
}
