/**
 * One view worker as seen from the main thread. Keeps: a step ends, with an answer or a fault, at the latest by its
 * deadline, whatever the worker is doing; after a fault that leaves the worker in doubt it is ended, not reused.
 */
import { Worker } from 'node:worker_threads'
import { asError } from '../../protocol/errors.ts'
import type { Clock } from '../../protocol/rpc/clock.ts'
import { costFault, type StepMessage, type StepName, type StepReply, type ViewSteps } from './view-steps.ts'
import type { ViewWorkerData } from './wasm-ceiling.ts'

/**
 * Why a step has no answer. `refused`: the engine threw; the worker can go on. `broken`: the worker is gone, or must
 * not be used again. `late`: the deadline passed and the worker was ended.
 */
export type FaultKind = 'refused' | 'broken' | 'late'

export class ViewFault extends Error {
  override readonly name = 'ViewFault'
  readonly kind: FaultKind

  constructor(kind: FaultKind, detail: string) {
    super(detail)
    this.kind = kind
  }
}

export interface ViewThreadInit {
  readonly clock: Clock
  /** The entry: answers each step. */
  readonly entry: URL
  /** Milliseconds from asking a step to its answer. */
  readonly stepTimeoutMs: number
  /** Ceiling of the JavaScript heap in MiB, and half of that of the engine's memory: it loads what it saved beside it. */
  readonly memoryMb: number
}

/** A quarter of a second more than its share is the most that a step can take. */
const costPollMs = 250

type Answer = Exclude<StepReply, { kind: 'ready' }>

interface Pending {
  readonly resolve: (reply: Answer) => void
  readonly reject: (fault: ViewFault) => void
  readonly cancelDeadline: () => void
  cancelLook?: () => void
}

/** What runs the steps: a thread, or its double in a test. */
export type ViewRunner = Pick<ViewThread, 'jobs' | 'memoryBytes' | 'ask' | 'end'>

export class ViewThread {
  /** Jobs given to this worker: what an earlier one left behind may be why a later one fails. */
  jobs = 0
  /** JavaScript heap and WebAssembly memory after the last step. */
  memoryBytes = 0
  readonly #worker: Worker
  readonly #clock: Clock
  readonly #stepTimeoutMs: number
  readonly #started: Promise<void>
  #pending: Pending | undefined
  #fault: ViewFault | undefined

  constructor({ clock, entry, stepTimeoutMs, memoryMb }: ViewThreadInit) {
    this.#clock = clock
    this.#stepTimeoutMs = stepTimeoutMs
    this.#worker = new Worker(entry, {
      name: 'view',
      // Flags of the process (a test runner's, an inspector's) are not meant for this thread.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
      workerData: { wasmMb: 2 * memoryMb } satisfies ViewWorkerData,
    })
    this.#started = new Promise((resolve) => {
      this.#worker.on('message', (reply: StepReply) => {
        if (reply.kind === 'ready') resolve()
        else this.#settle()?.resolve(reply)
      })
      this.#worker.once('exit', () => resolve())
    })
    this.#worker.on('messageerror', (error) => this.#fail(new ViewFault('broken', asError(error).message)))
    this.#worker.on('error', (error) => this.#fail(new ViewFault('broken', asError(error).message)))
    this.#worker.on('exit', (code) => this.#fail(new ViewFault('broken', `the view worker exited with ${code}`)))
  }

  /**
   * Asks one step and waits for its answer; steps of one worker are never asked at the same time.
   *
   * @throws ViewFault
   */
  async ask<Name extends StepName>(
    step: Name,
    ask: ViewSteps[Name]['ask'],
    transfer: ArrayBufferLike[] = [],
  ): Promise<ViewSteps[Name]['answer']> {
    // Starting a thread on a busy machine takes as long as it takes; the deadline is for the work.
    await this.#started
    if (this.#fault !== undefined) throw this.#fault
    const message = { step, ...ask } as StepMessage
    const reply = await new Promise<Answer>((resolve, reject) => {
      const cancelDeadline = this.#clock.after(this.#stepTimeoutMs, () => {
        this.#fail(new ViewFault('late', `no answer to "${step}" within ${this.#stepTimeoutMs} ms`))
        void this.end()
      })
      this.#pending = { resolve, reject, cancelDeadline }
      this.#worker.postMessage(message, transfer as ArrayBuffer[])
      if (message.step !== 'apply' || message.limit === undefined) return
      // Rejects when the worker has ended, which settles the step by itself.
      this.#watchCost(this.#pending, message.limit.cpuMs).catch(() => {})
    })
    if (reply.kind === 'failed') {
      const fault = new ViewFault(reply.isBroken ? 'broken' : 'refused', reply.detail)
      if (reply.isBroken) this.#fail(fault)
      throw fault
    }
    this.memoryBytes = reply.memoryBytes
    return reply.answer as ViewSteps[Name]['answer']
  }

  /** Ends the worker, also in the middle of a step; resolves when its thread is gone. Idempotent. */
  async end(): Promise<void> {
    this.#fail(new ViewFault('broken', 'the view worker was ended'))
    await this.#worker.terminate()
  }

  /**
   * Ends a step in the middle that takes more than its share: the worker itself notices only when the step is over. In time
   * of the thread's processor, so that a busy machine makes nothing look expensive; the deadline stays for what hangs
   * otherwise, and for a Node that cannot tell.
   */
  async #watchCost(pending: Pending, cpuMs: number): Promise<void> {
    if (typeof this.#worker.cpuUsage !== 'function') return
    const before = await this.#worker.cpuUsage()
    const look = async (): Promise<void> => {
      const { user, system } = await this.#worker.cpuUsage(before)
      if (this.#pending !== pending) return
      if ((user + system) / 1_000 <= cpuMs) return wait()
      this.#fail(new ViewFault('broken', costFault(cpuMs)))
      await this.end()
    }
    const wait = (): void => {
      // A worker that has ended has no usage any more, and its step is settled.
      if (this.#pending === pending)
        pending.cancelLook = this.#clock.after(costPollMs, () => void look().catch(() => {}))
    }
    wait()
  }

  /** The first fault stays the reason for everything after it. */
  #fail(fault: ViewFault): void {
    this.#fault ??= fault
    this.#settle()?.reject(fault)
  }

  #settle(): Pending | undefined {
    const pending = this.#pending
    this.#pending = undefined
    pending?.cancelDeadline()
    pending?.cancelLook?.()
    return pending
  }
}
