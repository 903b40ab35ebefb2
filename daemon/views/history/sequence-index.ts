/**
 * Where the elements of a text are, now or at some heads, by the operation that made them. Keeps: elements that follow each
 * other are found by one look each; anything else costs a search of the engine.
 */
import type { Engine } from './timeline.ts'

export class SequenceIndex {
  readonly #engine: Engine
  readonly #object: string
  readonly #heads: string[] | undefined
  readonly #text: string
  /** Where the next element of a run is expected. */
  #next = 0

  constructor(engine: Engine, object: string, heads?: string[]) {
    this.#engine = engine
    this.#object = object
    this.#heads = heads
    this.#text = engine.text(object, heads)
  }

  /** Undefined for an element that is not there. */
  visible(id: string): number | undefined {
    if (this.#isAt(id, this.#next)) return this.#found(this.#next)
    const at = this.#position(id)
    return at !== undefined && this.#isAt(id, at) ? this.#found(at) : undefined
  }

  /** Where an element would be that is not there. */
  placeOf(id: string): number {
    return this.#position(id) ?? this.#text.length
  }

  characterAt(at: number): string {
    return String.fromCodePoint(this.#text.codePointAt(at) ?? 0)
  }

  widthAt(at: number): number {
    return this.characterAt(at).length
  }

  #found(at: number): number {
    this.#next = at + this.widthAt(at)
    return at
  }

  #isAt(id: string, at: number): boolean {
    return at < this.#text.length && this.#engine.getCursor(this.#object, at, this.#heads) === id
  }

  /** Undefined when the element was not made yet. */
  #position(id: string): number | undefined {
    try {
      return this.#engine.getCursorPosition(this.#object, id, this.#heads)
    } catch {
      return undefined
    }
  }
}
