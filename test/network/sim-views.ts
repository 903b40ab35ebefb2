/**
 * The view worker of a simulated daemon: the real steps, after a time that the seed decides. What it is given and what it
 * answers is copied, as between threads; it can be killed in the middle of a step.
 */
import { ViewEngine } from '../../daemon/views/view-engine.ts'
import type { StepMessage, StepName, ViewSteps } from '../../daemon/views/view-steps.ts'
import { ViewFault, type ViewRunner } from '../../daemon/views/view-thread.ts'
import type { ClockScope } from './sim-clock.ts'
import type { SimRandom } from './sim-random.ts'
import type { SimReport } from './sim-report.ts'

/** Usual and worst time of one step. */
const stepMs = [4, 80] as const

/** The cost of a thread is not simulated: what a step takes on this machine must not decide anything. */
const noUsage = { cpuMs: () => 0, memoryBytes: () => 0 }

export class SimViewRunner implements ViewRunner {
  jobs = 0
  memoryBytes = 0
  readonly #clock: ClockScope
  readonly #random: SimRandom
  readonly #engine = new ViewEngine(noUsage)
  /** The thread is killed in the middle of its next step. */
  isDoomed = false
  readonly #report: SimReport
  #fault: ViewFault | undefined
  #reject: ((fault: ViewFault) => void) | undefined

  constructor(clock: ClockScope, random: SimRandom, report: SimReport) {
    this.#clock = clock
    this.#random = random
    this.#report = report
  }

  async ask<Name extends StepName>(
    step: Name,
    ask: ViewSteps[Name]['ask'],
    transfer: ArrayBufferLike[] = [],
  ): Promise<ViewSteps[Name]['answer']> {
    if (this.#fault !== undefined) throw this.#fault
    const message = structuredClone({ step, ...ask }, { transfer: transfer as ArrayBuffer[] }) as StepMessage
    const ended = new Promise<never>((_resolve, reject) => {
      this.#reject = reject
    })
    await Promise.race([ended, this.#clock.wait(this.#random.delay(...stepMs))])
    if (this.isDoomed) {
      this.#report.saw('view worker killed')
      this.#end('the view worker was killed')
      await ended
    }
    const reply = this.#engine.run(message)
    await Promise.race([ended, this.#clock.wait(this.#random.delay(...stepMs))])
    this.#reject = undefined
    if (reply.kind === 'done') return structuredClone(reply.answer) as ViewSteps[Name]['answer']
    if (reply.kind === 'ready') throw new Error('said by a thread that starts')
    const fault = new ViewFault(reply.isBroken ? 'broken' : 'refused', reply.detail)
    if (reply.isBroken) this.#fault = fault
    throw fault
  }

  async end(): Promise<void> {
    this.#end('the view worker was ended')
  }

  /** Gives back the memory of a thread that is gone. */
  free(): void {
    this.#engine.clear()
  }

  /** What it was asked is never answered. */
  #end(why: string): void {
    this.#fault ??= new ViewFault('broken', why)
    this.#reject?.(this.#fault)
    this.#reject = undefined
    this.free()
  }
}
