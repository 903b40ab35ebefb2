/**
 * Entry of the view thread, the only place in the daemon where Automerge runs. Keeps: one step at a time, each
 * answered once; a document that a step failed on is dropped, so that no half-applied state is ever shown; memory of
 * dropped documents is given back at once, because the garbage collector does not see it.
 */
import { parentPort } from 'node:worker_threads'
import * as Automerge from '@automerge/automerge'
import type { ChangeHash } from '../../protocol/ids.ts'
import { readChange } from '../../protocol/sync/change-structure.ts'
import type { BlockId, Seq } from '../storage/storage.ts'
import { compareEncoding } from './re-encoding.ts'
import { render } from './render.ts'
import type { StepMessage, StepName, StepReply, ViewSteps } from './view-steps.ts'

type Document = Automerge.Doc<Record<string, unknown>>
type Answers = { [Name in StepName]: (ask: ViewSteps[Name]['ask']) => ViewSteps[Name]['answer'] }

/** A repeated request then costs its new changes only; a long text takes tens of megabytes, so they are few. */
const maxHeld = 4
const maxDetailChars = 300

/** Least recently used first. */
const held = new Map<BlockId, { readonly document: Document; seq: Seq }>()

function documentOf(block: BlockId): { readonly document: Document; seq: Seq } {
  const entry = held.get(block)
  if (entry === undefined) throw new Error('the document is not held')
  return entry
}

function drop(block: BlockId): void {
  const entry = held.get(block)
  held.delete(block)
  if (entry !== undefined) Automerge.free(entry.document)
}

/**
 * Changes go to the engine itself and not through `Automerge.applyChanges`, which would bring a JavaScript copy of the
 * document up to date after each slice: only a rendering needs one, once, and deep nesting makes it costly.
 */
const engineOf = (document: Document): ReturnType<typeof Automerge.getBackend> => Automerge.getBackend(document)

const headsOf = (document: Document): ChangeHash[] => engineOf(document).getHeads().toSorted() as ChangeHash[]

function apply(document: Document, changes: Uint8Array[]): void {
  const engine = engineOf(document)
  const before = engine.getHeads()
  engine.applyChanges(changes)
  // Changes whose dependencies are missing are queued without a word: the document would lack them.
  if (engine.getMissingDeps().length > 0) throw new Error('changes that others depend on are missing')
  compareEncoding(changes, engine.getChanges(before))
}

const answers: Answers = {
  hold({ block }) {
    const entry = held.get(block)
    if (entry === undefined) return { seq: undefined }
    held.delete(block)
    held.set(block, entry)
    return { seq: entry.seq }
  },

  begin({ block, seq, from, bytes }) {
    drop(block)
    for (const oldest of held.keys()) {
      if (held.size < maxHeld) break
      drop(oldest)
    }
    const document: Document = from === 'snapshot' ? Automerge.load(bytes) : Automerge.init()
    held.set(block, { document, seq })
    if (from === 'change') apply(document, [bytes])
  },

  apply({ block, seq, bytes, lengths, limit }) {
    const entry = documentOf(block)
    const before = { cpuMs: cpuMs(), bytes: memoryBytes() }
    apply(entry.document, split(bytes, lengths))
    if (limit !== undefined && cpuMs() - before.cpuMs > limit.cpuMs) {
      throw new Error(`limit: more than ${limit.cpuMs} ms of processor time`)
    }
    if (limit !== undefined && memoryBytes() - before.bytes > limit.growthBytes) {
      throw new Error(`limit: more than ${limit.growthBytes} bytes of memory`)
    }
    entry.seq = seq
  },

  dependants({ hashes, bytes, lengths }) {
    const causes = new Map(hashes.map((hash) => [hash, hash]))
    const found: { index: number; cause: ChangeHash }[] = []
    for (const [index, change] of split(bytes, lengths).entries()) {
      const facts = factsOf(change)
      const dep = facts?.deps.find((each) => causes.has(each))
      if (facts === undefined || dep === undefined) continue
      found.push({ index, cause: causes.get(dep) ?? dep })
      causes.set(facts.hash, facts.hash)
    }
    return { found }
  },

  render({ block, schema }) {
    const { document } = documentOf(block)
    return { text: render(schema, engineOf(document).materialize('/')), heads: headsOf(document) }
  },

  snapshot({ block }) {
    const { document } = documentOf(block)
    const bytes = Automerge.save(document)
    // Documents exist that save but never load again. Loading computes every change anew and compares its hash, so
    // equal heads mean that nothing was lost on the way.
    const loaded: Document = Automerge.load(bytes)
    try {
      const heads = headsOf(document)
      const changes = Automerge.stats(document).numChanges
      if (headsOf(loaded).join() !== heads.join()) throw new Error('the snapshot has other heads than the document')
      if (Automerge.stats(loaded).numChanges !== changes) throw new Error('the snapshot has lost changes')
      return { bytes, heads, changes }
    } finally {
      Automerge.free(loaded)
    }
  },
}

function split(bytes: Uint8Array, lengths: Uint32Array): Uint8Array[] {
  let at = 0
  return Array.from(lengths, (length) => {
    at += length
    return bytes.subarray(at - length, at)
  })
}

/** Undefined for what cannot be read: it builds on nothing that is known, and fails by itself. */
function factsOf(change: Uint8Array): { readonly hash: ChangeHash; readonly deps: readonly ChangeHash[] } | undefined {
  try {
    return readChange(change)
  } catch {
    return undefined
  }
}

/** Processor time of this thread: a busy machine must not make a change look expensive. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

function memoryBytes(): number {
  const { heapTotal, external } = process.memoryUsage()
  return heapTotal + external
}

function answer<Name extends StepName>(message: { step: Name } & ViewSteps[Name]['ask']): ViewSteps[Name]['answer'] {
  return answers[message.step](message)
}

function run(message: StepMessage): StepReply {
  try {
    const value = answer(message)
    return { kind: 'done', answer: value, memoryBytes: memoryBytes() }
  } catch (error) {
    return { kind: 'failed', detail: detailOf(error), isBroken: isTrap(error) || !canDrop(message.block) }
  }
}

/** The engine throws plain strings too. */
const detailOf = (error: unknown): string => String(error).slice(0, maxDetailChars)

/** A trap (`RuntimeError`) or a panic leaves the engine's memory as it was in the middle of something. */
const isTrap = (error: unknown): boolean =>
  error instanceof Error && ['RuntimeError', 'PanicError'].includes(error.constructor.name)

function canDrop(block: BlockId): boolean {
  try {
    drop(block)
    return true
  } catch {
    // A document that the engine still has in use cannot be freed: the thread has to go.
    return false
  }
}

const port = parentPort
if (port === null) throw new Error('this file is the entry of a worker thread')

port.on('message', (message: StepMessage) => {
  const reply = run(message)
  const isSnapshot = message.step === 'snapshot' && reply.kind === 'done' && reply.answer !== undefined
  const bytes = isSnapshot && 'bytes' in reply.answer ? [reply.answer.bytes.buffer as ArrayBuffer] : []
  port.postMessage(reply, bytes)
})
port.postMessage({ kind: 'ready' } satisfies StepReply)
