/** What a simulated schedule leaves behind: a hash over everything that happened, counters, and what went wrong. */
import { createHash } from 'node:crypto'

/** Situations that the suite must reach; a simulation that never gets there proves nothing about them. */
export const situations = [
  'reconnect during commit',
  'crash with unacked',
  'crash after commit before ack',
  'resync',
  'restore',
  'duplicate',
  'refused retryable',
  'refused permanent',
  'lag detach',
  're-attach',
  'two creators',
  'grant change in flight',
  'slow reader waited',
  'loss inside a frame',
  'half-open',
  'stall',
  'storage full',
  'snapshot sent',
  'compaction',
  'compaction during sync',
  'superseded while alive',
  'supplied again after restore',
  'supplied change of another author',
  'plugin crash with unsaved',
  'plugin crash with unacked',
  'plugin stop',
  'replica-in-use',
  'own store was older',
  'copied store',
  'restored store',
  'replica store full',
  'replica store failed',
  'replica folded',
  'view worker killed',
  'deleted',
  'quarantine',
  'told of a quarantine',
  'release',
  'suspended',
  'rate-limited',
  'missing-deps',
  'poison sent',
  'hostile refused',
] as const

export type Situation = (typeof situations)[number]

export class SimReport {
  readonly seed: string
  readonly counts = new Map<string, number>()
  readonly failures: string[] = []
  /** The lines behind the hash, when asked for. */
  readonly lines: string[] | undefined
  readonly #hash = createHash('sha256')
  #atMs: () => number = () => 0

  constructor(seed: string, keepsLines: boolean) {
    this.seed = seed
    this.lines = keepsLines ? [] : undefined
  }

  set clock(atMs: () => number) {
    this.#atMs = atMs
  }

  trace(line: string): void {
    const stamped = `${this.#atMs().toFixed(3)} ${line}`
    this.#hash.update(stamped).update('\n')
    this.lines?.push(stamped)
  }

  saw(situation: Situation): void {
    this.count(situation)
  }

  count(what: string, amount = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + amount)
  }

  fail(text: string): void {
    this.trace(`FAILED ${text}`)
    this.failures.push(text)
  }

  /** Closes the report. */
  digest(): string {
    return this.#hash.digest('hex')
  }
}
