/** A document of Yjs, whichever way it reaches the server. */
import type { Doc, Text } from 'yjs'
import type { Edit } from '../../fixtures/traces.ts'
import type { Document } from '../subject.ts'

export class YjsDocument implements Document {
  readonly ref: string
  readonly settled: () => Promise<void>
  readonly #doc: Doc
  readonly #text: Text

  constructor(ref: string, doc: Doc, settled: () => Promise<void>) {
    this.ref = ref
    this.settled = settled
    this.#doc = doc
    this.#text = doc.getText('text')
  }

  text(): string {
    return this.#text.toString()
  }

  length(): number {
    return this.#text.length
  }

  change(edits: readonly Edit[]): void {
    this.#doc.transact(() => {
      for (const [at, removed, inserted] of edits) {
        if (removed > 0) this.#text.delete(at, removed)
        if (inserted !== '') this.#text.insert(at, inserted)
      }
    })
  }

  onRemote(listener: () => void): void {
    this.#text.observe((_event, { local }) => {
      if (!local) listener()
    })
  }
}
