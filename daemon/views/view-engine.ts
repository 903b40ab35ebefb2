/**
 * The steps of the view thread, and the only place in the daemon where Automerge runs. Keeps: a document that a step
 * failed on is dropped, so that no half-applied state is ever shown; memory of dropped documents is given back at once,
 * because the garbage collector does not see it.
 */
import { hash } from 'node:crypto'
import * as Automerge from '@automerge/automerge'
import type { ChangeHash } from '../../protocol/ids.ts'
import { readChange } from '../../protocol/sync/change-structure.ts'
import type { BlockId, Seq } from '../storage/storage.ts'
import { edit } from './edit.ts'
import { blame } from './history/blame.ts'
import { historyPage } from './history/page.ts'
import { diffStates, textAt } from './history/states.ts'
import { type Engine, Timeline } from './history/timeline.ts'
import { depthOf, takeBack } from './history/undo.ts'
import { compareEncoding } from './re-encoding.ts'
import { problemsOf, render } from './render.ts'
import { rewrite } from './rewrite.ts'
import { costFault, type StepMessage, type StepName, type StepReply, type ViewSteps } from './view-steps.ts'

type Document = Automerge.Doc<Record<string, unknown>>
interface Held {
  readonly document: Document
  seq: Seq
  /** While they are handed out. */
  changes?: Uint8Array[] | undefined
}
type Answers = { [Name in StepName]: (ask: ViewSteps[Name]['ask']) => ViewSteps[Name]['answer'] }

/** A repeated request then costs its new changes only; a long text takes tens of megabytes, so they are few. */
const maxHeld = 4
const maxDetailChars = 300
/** Handed out in one step. */
const maxChangesTold = 5_000

/** What the thread costs: asked before and after a step that has a limit. */
export interface ViewUsage {
  /** Processor time of the thread: a busy machine must not make a change look expensive. */
  cpuMs(): number
  /** JavaScript heap and WebAssembly memory. */
  memoryBytes(): number
}

/**
 * Changes go to the engine itself and not through `Automerge.applyChanges`, which would bring a JavaScript copy of the
 * document up to date after each slice: only a rendering needs one, once, and deep nesting makes it costly.
 */
const engineOf = (document: Document): Engine => Automerge.getBackend(document)

const headsOf = (document: Document): ChangeHash[] => engineOf(document).getHeads().toSorted() as ChangeHash[]

function apply(document: Document, changes: Uint8Array[]): void {
  const engine = engineOf(document)
  const before = engine.getHeads()
  engine.applyChanges(changes)
  // Changes whose dependencies are missing are queued without a word: the document would lack them.
  if (engine.getMissingDeps().length > 0) throw new Error('changes that others depend on are missing')
  compareEncoding(changes, engine.getChanges(before))
}

export class ViewEngine {
  readonly #usage: ViewUsage
  /** Least recently used first. */
  readonly #held = new Map<BlockId, Held>()
  /** Of the document that was asked about last: a long one takes as much memory as its text. */
  #timeline: { readonly block: BlockId; readonly of: Timeline } | undefined
  readonly #answers: Answers = {
    hold: ({ block }) => {
      const entry = this.#held.get(block)
      if (entry === undefined) return { seq: undefined }
      this.#held.delete(block)
      this.#held.set(block, entry)
      return { seq: entry.seq }
    },

    begin: ({ block, seq, from, bytes }) => {
      this.#replace(block, seq, () => (from === 'snapshot' ? Automerge.load(bytes) : Automerge.init()))
      if (from === 'change') apply(this.#documentOf(block).document, [bytes])
    },

    apply: ({ block, seq, bytes, lengths, limit }) => {
      const entry = this.#documentOf(block)
      const before = { cpuMs: this.#usage.cpuMs(), bytes: this.#usage.memoryBytes() }
      apply(entry.document, split(bytes, lengths))
      if (limit !== undefined && this.#usage.cpuMs() - before.cpuMs > limit.cpuMs) {
        throw new Error(costFault(limit.cpuMs))
      }
      if (limit !== undefined && this.#usage.memoryBytes() - before.bytes > limit.growthBytes) {
        throw new Error(`limit: more than ${limit.growthBytes} bytes of memory`)
      }
      entry.seq = seq
    },

    dependants: ({ hashes, bytes, lengths }) => {
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

    render: ({ block, schema, options }) => {
      const { document } = this.#documentOf(block)
      const root = engineOf(document).materialize('/')
      const text = render(schema, root, options)
      const problems = problemsOf(schema, root, options)
      return { text, textHash: hash('sha256', text), heads: headsOf(document), problems }
    },

    rewrite: ({ block, frozen, actor }) => ({ changes: rewrite(this.#documentOf(block).document, frozen, actor) }),

    check: ({ block, seq, bytes, heads, changes }) => this.#replace(block, seq, () => loadSaved(bytes, heads, changes)),

    changes: ({ block, from }) => {
      const entry = this.#documentOf(block)
      entry.changes ??= engineOf(entry.document).getChanges([])
      const some = entry.changes.slice(from, from + maxChangesTold)
      if (some.length < maxChangesTold) entry.changes = undefined
      const bytes = new Uint8Array(some.reduce((sum, { byteLength }) => sum + byteLength, 0))
      const lengths = Uint32Array.from(some, ({ byteLength }) => byteLength)
      let at = 0
      for (const change of some) {
        bytes.set(change, at)
        at += change.byteLength
      }
      return { bytes, lengths }
    },

    recall: ({ block, hashes }) => {
      const engine = engineOf(this.#documentOf(block).document)
      return { maxOps: Float64Array.from(hashes, (hash) => engine.getChangeMetaByHash(hash)?.maxOp ?? -1) }
    },

    edit: ({ block, ...order }) => edit(engineOf(this.#documentOf(block).document), order),

    history: ({ block, ...query }) => {
      const { document } = this.#documentOf(block)
      return historyPage(engineOf(document), this.#timelineOf(block, document), query)
    },

    at: ({ block, ...query }) => textAt(engineOf(this.#documentOf(block).document), query),

    diff: ({ block, ...query }) => diffStates(engineOf(this.#documentOf(block).document), query),

    blame: ({ block, ...query }) => {
      const { document } = this.#documentOf(block)
      return blame(engineOf(document), this.#timelineOf(block, document), query)
    },

    depth: (ask) => depthOf(this.#timelineOf(ask.block, this.#documentOf(ask.block).document), ask),

    undo: (ask) => {
      const { document } = this.#documentOf(ask.block)
      return takeBack(engineOf(document), this.#timelineOf(ask.block, document), ask)
    },

    snapshot: ({ block }) => {
      const { document, seq } = this.#documentOf(block)
      const bytes = Automerge.save(document)
      const heads = headsOf(document)
      const changes = Automerge.stats(document).numChanges
      this.#replace(block, seq, () => loadSaved(bytes, heads, changes))
      return { bytes, heads, changes }
    },
  }

  constructor(usage: ViewUsage) {
    this.#usage = usage
  }

  /** Runs one step. Never throws. */
  run(message: StepMessage): StepReply {
    try {
      const answer = this.#answer(message)
      return { kind: 'done', answer, memoryBytes: this.#usage.memoryBytes() }
    } catch (error) {
      return { kind: 'failed', detail: detailOf(error), isBroken: isTrap(error) || !this.#canDrop(message.block) }
    }
  }

  /** Gives back the memory of every document. */
  clear(): void {
    for (const block of [...this.#held.keys()]) this.#canDrop(block)
  }

  #answer<Name extends StepName>(message: { step: Name } & ViewSteps[Name]['ask']): ViewSteps[Name]['answer'] {
    return this.#answers[message.step](message)
  }

  #documentOf(block: BlockId): Held {
    const entry = this.#held.get(block)
    if (entry === undefined) throw new Error('the document is not held')
    return entry
  }

  #timelineOf(block: BlockId, document: Document): Timeline {
    if (this.#timeline?.block !== block) this.#timeline = { block, of: new Timeline() }
    return this.#timeline.of.update(engineOf(document))
  }

  /** Never two of one long text at a time: memory that the engine once took stays with the thread. */
  #replace(block: BlockId, seq: Seq, make: () => Document): undefined {
    this.#drop(block)
    for (const oldest of this.#held.keys()) {
      if (this.#held.size < maxHeld) break
      this.#drop(oldest)
    }
    this.#held.set(block, { document: make(), seq })
  }

  #drop(block: BlockId): void {
    const entry = this.#held.get(block)
    this.#held.delete(block)
    if (this.#timeline?.block === block) this.#timeline = undefined
    if (entry !== undefined) Automerge.free(entry.document)
  }

  #canDrop(block: BlockId): boolean {
    try {
      this.#drop(block)
      return true
    } catch {
      // A document that the engine still has in use cannot be freed: the thread has to go.
      return false
    }
  }
}

/**
 * Documents exist that save but never load again. Loading computes every change anew and compares its hash, so equal heads
 * mean that nothing was lost on the way.
 */
function loadSaved(bytes: Uint8Array, heads: readonly ChangeHash[], changes: number): Document {
  const loaded: Document = Automerge.load(bytes)
  try {
    if (headsOf(loaded).join() !== heads.toSorted().join()) throw new Error('the snapshot has other heads')
    if (Automerge.stats(loaded).numChanges !== changes) throw new Error('the snapshot has lost changes')
    return loaded
  } catch (error) {
    Automerge.free(loaded)
    throw error
  }
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

/** The engine throws plain strings too. */
const detailOf = (error: unknown): string => String(error).slice(0, maxDetailChars)

/** A trap (`RuntimeError`) or a panic leaves the engine's memory as it was in the middle of something. */
const isTrap = (error: unknown): boolean =>
  error instanceof Error && ['RuntimeError', 'PanicError'].includes(error.constructor.name)
