/** Chunks of the recorded editing sessions as authors make them, and what encoding them as runs comes to. */
import { createHash } from 'node:crypto'
import * as Automerge from '@automerge/automerge'
import { decodeRun, encodeRun, type RunEncoding } from '../../../../protocol/sync/run.ts'
import { type Edit, loadAutomergePaper, loadFriendsForever } from '../../../fixtures/traces.ts'

interface TextDocument {
  [key: string]: unknown
  text: string
}

/** Actor ids are digests and random bytes: nothing in them can be compressed. */
export const actorOf = (name: string): string => createHash('sha256').update(name).digest('hex').slice(0, 48)

/** The author's clock: four edits a second. */
const timeOf = (edit: number): number => 1_795_237_686 + Math.floor(edit / 4)

function emptyText(actor: string): Automerge.Doc<TextDocument> {
  return Automerge.change(Automerge.init<TextDocument>({ actor }), { time: timeOf(0) }, (root) => {
    root.text = ''
  })
}

function edit(
  doc: Automerge.Doc<TextDocument>,
  patches: readonly Edit[],
  index: number,
): [Automerge.Doc<TextDocument>, Uint8Array] {
  const next = Automerge.change(doc, { time: timeOf(index) }, (root) => {
    for (const [at, removed, inserted] of patches) Automerge.splice(root, ['text'], at, removed, inserted)
  })
  return [next, Automerge.getLastLocalChange(next) ?? new Uint8Array(0)]
}

/** The writing of a paper, one change per keystroke. */
export function paperChunks(edits: number): Uint8Array[] {
  let doc = emptyText(actorOf('alice'))
  const chunks = [...Automerge.getAllChanges(doc)]
  for (const [index, { patches }] of loadAutomergePaper().txns.slice(0, edits).entries()) {
    const [next, chunk] = edit(doc, patches, index)
    doc = next
    chunks.push(chunk)
  }
  return chunks
}

/** Two people typing into one text at the same time: all chunks in order, and those of each of them. */
export function friendsChunks(edits: number): { all: Uint8Array[]; byAgent: Uint8Array[][] } {
  const { numAgents, txns } = loadFriendsForever()
  const first = emptyText(actorOf('carol'))
  const docs = Array.from({ length: numAgents }, (_, agent) =>
    Automerge.clone(first, { actor: actorOf(agent === 0 ? 'alice' : 'bob') }),
  )
  const byAgent: Uint8Array[][] = docs.map(() => [])
  const all: Uint8Array[] = []
  /** For each agent, how many of the transactions it has looked at: those of the others apply in order. */
  const seen = docs.map(() => 0)
  for (const [index, { agent, parents, patches }] of txns.slice(0, edits).entries()) {
    const others = parents.filter((parent) => txns[parent]?.agent !== agent)
    const until = Math.max(-1, ...others) + 1
    const from = seen[agent] ?? 0
    const missing = all.slice(from, until).filter((_, at) => txns[from + at]?.agent !== agent)
    const doc = docs[agent] as Automerge.Doc<TextDocument>
    const merged = missing.length === 0 ? doc : Automerge.applyChanges(doc, missing)[0]
    seen[agent] = Math.max(from, until)
    const [next, chunk] = edit(merged, patches, index)
    docs[agent] = next
    all.push(chunk)
    byAgent[agent]?.push(chunk)
  }
  return { all, byAgent }
}

export const areSame = (a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean =>
  a.length === b.length && a.every((chunk, index) => Buffer.compare(chunk, b[index] ?? new Uint8Array(0)) === 0)

/**
 * Encodes and decodes chunks in runs of `size`.
 *
 * @returns encoded bytes per change; undefined when anything came out differently
 */
export function bytesPerChange(chunks: readonly Uint8Array[], size: number, encoding: RunEncoding): number | undefined {
  let bytes = 0
  for (let at = 0; at < chunks.length; at += size) {
    const part = chunks.slice(at, at + size)
    const run = encodeRun(part, encoding)
    if (!areSame(decodeRun(run), part)) return undefined
    bytes += run.length
  }
  return bytes / chunks.length
}
