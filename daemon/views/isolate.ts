/**
 * Finds the changes that a block cannot be made with, in workers that serve nobody else. Keeps: a change is named only if
 * it fails alone, in a fresh worker, on top of a document that loads; time on the clock alone never counts; what it
 * gives as the document was saved and loaded again.
 */
import type { ChangeHash } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/rpc/clock.ts'
import type { BlockId, ChangeRow, LogPage, LogQuery, QuarantinedChange, Seq, Snapshot } from '../storage/storage.ts'
import { packRows, rowSlices } from './log-slices.ts'
import type { SliceLimit } from './view-steps.ts'
import { ViewFault, type ViewRunner } from './view-thread.ts'

export interface IsolateInit {
  readonly block: BlockId
  /** The first change of the schema. */
  readonly initial: Uint8Array
  /** What is verified. */
  readonly after: Seq
  readonly until: Seq
  /** In quarantine already; the log as it is read here is without them. */
  readonly aside: readonly ChangeHash[]
  readonly read: {
    snapshot(block: BlockId): Promise<Snapshot | undefined>
    readLog(query: LogQuery): Promise<LogPage>
  }
  readonly limit: SliceLimit
  readonly clock: Clock
  /** Ends the worker there was and gives a new one. */
  fresh(): Promise<ViewRunner>
}

export interface Verdict {
  /** The document without the findings; up to `until`, or less when there were too many. */
  readonly snapshot: Snapshot
  readonly findings: readonly QuarantinedChange[]
}

/** Found in one go: the rest is found when the block is verified the next time. */
const maxFindings = 256
/** Time that everyone else waits for a view: what is not looked at by then is looked at the next time, too. */
const maxHuntMs = 10_000

/** @throws ViewFault when nobody can be blamed, and what reading throws */
export async function isolate(init: IsolateInit): Promise<Verdict> {
  const hunt = new Hunt(init)
  await hunt.begin()
  for await (const rows of rowSlices((query) => init.read.readLog(query), hunt.range)) {
    const seq = await hunt.take(rows)
    if (hunt.isOver) return hunt.verdict(seq)
  }
  return hunt.verdict(init.until)
}

class Hunt {
  readonly findings: QuarantinedChange[] = []
  readonly #init: IsolateInit
  readonly #aside: Set<ChangeHash>
  readonly #beganMs: number
  #thread: ViewRunner | undefined
  /** A document of everything sound so far. */
  #sound: Omit<Snapshot, 'block'> = { seq: 0, changes: 0, heads: [], bytes: new Uint8Array() }

  constructor(init: IsolateInit) {
    this.#init = init
    this.#beganMs = init.clock.monotonicMs()
    this.#aside = new Set(init.aside)
  }

  get range(): { readonly block: BlockId; readonly after: Seq; readonly until: Seq } {
    return { block: this.#init.block, after: this.#sound.seq, until: this.#init.until }
  }

  verdict(seq: Seq): Verdict {
    // As in the block's row, the first change of the schema is not counted.
    const { changes, heads, bytes } = this.#sound
    return { snapshot: { block: this.#init.block, seq, changes: changes - 1, heads, bytes }, findings: this.findings }
  }

  /** Up to what is verified nothing is suspected: a fault here is nobody's. */
  async begin(): Promise<void> {
    const { block, initial, after, read } = this.#init
    const stored = await read.snapshot(block)
    const from = stored === undefined ? 'change' : 'snapshot'
    const bytes = Uint8Array.from(stored?.bytes ?? initial)
    const thread = await this.#ready()
    await thread.ask('begin', { block, seq: stored?.seq ?? 0, from, bytes }, [bytes.buffer])
    const until = Math.max(after, stored?.seq ?? 0)
    const range = { block, after: stored?.seq ?? 0, until }
    for await (const rows of rowSlices((query) => read.readLog(query), range)) {
      await thread.ask('apply', { block, ...packRows(rows) })
    }
    this.#sound = { seq: until, ...(await thread.ask('snapshot', { block })) }
  }

  /** Whether it is time to let others have their views; what was found until then is settled. */
  get isOver(): boolean {
    const { clock } = this.#init
    return this.findings.length >= maxFindings || clock.monotonicMs() - this.#beganMs >= maxHuntMs
  }

  /** Takes a slice in, less what fails and what builds on that. Answers up to where it got. */
  async take(rows: readonly ChangeRow[]): Promise<Seq> {
    let rest = await this.#independent(rows)
    while (rest.length > 0) {
      if ((await this.#probe(rest)) === undefined) break
      const suspect = await this.#narrow(rest)
      const fault = await this.#confirm(suspect)
      rest = rest.slice(rest.indexOf(suspect) + 1)
      if (fault !== undefined) {
        this.#name(suspect, undefined, fault.message)
        rest = await this.#independent(rest)
      }
      const [next] = rest
      if (next !== undefined && this.isOver) return next.seq - 1
    }
    return rows.at(-1)?.seq ?? this.#sound.seq
  }

  /**
   * Tries a change alone and in a fresh worker: what others left behind must not be held against it. Whoever sent more than
   * one is found out by the first, and the others cost no further worker each.
   */
  async #confirm(suspect: ChangeRow): Promise<ViewFault | undefined> {
    const isFirst = this.findings.every(({ cause, peer }) => cause !== undefined || peer !== suspect.origin.peer)
    if (isFirst) this.#thread = undefined
    const fault = await this.#probe([suspect])
    if (fault !== undefined && isFirst) await this.#control()
    return fault
  }

  /** The last of the halves that fail. What passes on the way is part of the sound document from then on. */
  async #narrow(rows: readonly ChangeRow[]): Promise<ChangeRow> {
    let suspects = rows
    while (suspects.length > 1) {
      const half = suspects.slice(0, Math.ceil(suspects.length / 2))
      suspects = (await this.#probe(half)) === undefined ? suspects.slice(half.length) : half
    }
    const [suspect] = suspects
    if (suspect === undefined) throw new ViewFault('refused', 'nothing to narrow')
    return suspect
  }

  /**
   * Tries the sound document with these on top, which it then has; otherwise says what failed.
   * @throws ViewFault for what took too long on the clock, which is nobody's fault
   */
  async #probe(rows: readonly ChangeRow[]): Promise<ViewFault | undefined> {
    const { block } = this.#init
    const thread = await this.#ready()
    const bytes = Uint8Array.from(this.#sound.bytes)
    await thread.ask('begin', { block, seq: this.#sound.seq, from: 'snapshot', bytes }, [bytes.buffer])
    try {
      const slice = packRows(rows)
      await thread.ask('apply', { block, limit: this.#init.limit, ...slice }, [slice.bytes.buffer])
      this.#sound = { seq: slice.seq, ...(await thread.ask('snapshot', { block })) }
      return undefined
    } catch (error) {
      // Tried again in halves, each of them would take as long.
      if (!(error instanceof ViewFault) || error.kind === 'late') throw error
      if (error.kind !== 'refused') this.#thread = undefined
      return error
    }
  }

  /** What fails with no change at all is the fault of none. @throws ViewFault */
  async #control(): Promise<void> {
    const { block, limit } = this.#init
    const { seq } = this.#sound
    const bytes = Uint8Array.from(this.#sound.bytes)
    const thread = await this.#ready()
    await thread.ask('begin', { block, seq, from: 'snapshot', bytes }, [bytes.buffer])
    await thread.ask('apply', { block, limit, ...packRows([]), seq })
    await thread.ask('snapshot', { block })
  }

  /** What builds on something in quarantine goes there too, and is not held against anyone. */
  async #independent(rows: readonly ChangeRow[]): Promise<readonly ChangeRow[]> {
    if (this.#aside.size === 0 || rows.length === 0) return rows
    const { bytes, lengths } = packRows(rows)
    const thread = await this.#ready()
    const hashes = [...this.#aside]
    const { found } = await thread.ask('dependants', { block: this.#init.block, hashes, bytes, lengths })
    const causes = new Map(found.map(({ index, cause }) => [index, cause]))
    return rows.filter((row, index) => {
      const cause = causes.get(index)
      if (cause !== undefined) this.#name(row, cause, `builds on ${cause.slice(0, 12)}`)
      return cause === undefined
    })
  }

  #name({ hash, seq, actor, actorSeq, origin }: ChangeRow, cause: ChangeHash | undefined, reason: string): void {
    this.#aside.add(hash)
    this.findings.push({ hash, seq, actor, actorSeq, peer: origin.peer, cause, reason })
  }

  async #ready(): Promise<ViewRunner> {
    this.#thread ??= await this.#init.fresh()
    return this.#thread
  }
}
