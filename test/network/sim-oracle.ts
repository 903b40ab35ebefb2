/**
 * Watches one simulated sync stream and holds it against what must be true at every moment: nothing is acknowledged or
 * shown before it is durable, nobody is sent what it wrote itself, nobody ends a stream for a breach of the protocol.
 */
import { errorTable, isErrorCode, limits } from '../../protocol/index.ts'
import { decodeRun, readChange } from '../../protocol/sync/index.ts'
import type { SimReport } from './sim-report.ts'
import type { SimFrame } from './sim-stream.ts'

export interface OwnFact {
  readonly address: string
  readonly hash: string
  readonly actor: string
  readonly seq: number
}

/** What is known of the changes of one replica from outside: from its frames and its disk. */
export class ReplicaFacts {
  /** What was drawn for its actors: by it, one that it made is told from one that it supplies. */
  readonly drawn = new Set<string>()
  /** Every change of its own that it ever sent, by address and hash. */
  readonly sent = new Map<string, OwnFact>()
  /** What it was told is durable. */
  readonly acked = new Map<string, OwnFact>()
  /** What it set aside, by whose actor it is: also what another replica of its key wrote and it had taken in. */
  readonly aside = new Map<string, string>()
  /** Of the process that runs, under the id that it has. */
  life = new LifeFacts()

  /** Whether it is one of the actors that it wrote under itself. */
  isOwn(actor: string): boolean {
    return this.drawn.has(actor.slice(-16))
  }

  /** What another one knows that begins as a copy of this one. */
  copy(): ReplicaFacts {
    const copy = new ReplicaFacts()
    for (const bytes of this.drawn) copy.drawn.add(bytes)
    for (const [known, fact] of this.sent) copy.sent.set(known, fact)
    for (const [known, fact] of this.acked) copy.acked.set(known, fact)
    for (const [known, actor] of this.aside) copy.aside.set(known, actor)
    return copy
  }
}

/** What one process of a plugin did under one id. */
export class LifeFacts {
  /** What it wrote and sent, and so has. */
  readonly sent = new Set<string>()
  /** Blocks of which its store did not know yet that the daemon has them: it cannot say what it has of them. */
  readonly untold: ReadonlySet<string>
  /** What it has received. */
  readonly held = new Set<string>()
  /** Which generation it knows each address to hold. */
  readonly #generations = new Map<string, number>()
  /** The stream it talks on. On an older one, that only the daemon still takes for open, nobody listens. */
  newest: StreamOracle | undefined

  constructor(untold: Iterable<string> = []) {
    this.untold = new Set(untold)
  }

  /** Whether another generation than this is what it has of an address. */
  hasOther(address: string, generation: number | undefined): boolean {
    const known = this.#generations.get(address)
    return known !== undefined && known !== generation
  }

  /** It was told of a generation, and lets go of what it has of another one. */
  begin(address: string, generation: number): void {
    if (this.hasOther(address, generation)) {
      for (const known of this.sent) if (known.startsWith(keyOf(address, ''))) this.sent.delete(known)
    }
    this.#generations.set(address, generation)
  }
}

export interface DaemonFacts {
  /** Whether the change is in the store at this moment. */
  isDurable(address: string, hash: string): boolean
  /** Whether this replica is the one from which the change came, and it was never set aside. */
  isFrom(replica: string, address: string, hash: string): boolean
  /** Whether the change is on its way into the store. */
  isRunning(hash: string): boolean
}

interface Sent extends OwnFact {
  /** Together with changes that another wrote. */
  readonly isSupplied: boolean
  isRefused: boolean
}

/** A change is known by both: the same content in two blocks has one hash. */
export const keyOf = (address: string, hash: string): string => `${address} ${hash}`
/** Ends of a stream that are nobody's mistake. */
const innocentEnds = new Set(['unavailable', 'limit', 'denied', 'timeout', 'pending', 'conflict'])

export class StreamOracle {
  readonly #name: string
  readonly #replica: string
  readonly #facts: ReplicaFacts
  readonly #daemon: DaemonFacts
  readonly #report: SimReport
  readonly #life: LifeFacts
  readonly #isHostile: boolean
  readonly #addressOf = new Map<number, string>()
  /** Which generation the daemon has named on this stream. */
  readonly #generationOf = new Map<string, number>()
  /** Changes of the stream in the order they were sent. */
  readonly #sent: Sent[] = []
  /** What it sent for others on this stream. On the next it speaks for its own actors alone. */
  readonly #supplied = new Set<string>()
  #credit: number = limits.creditBytes
  #hasWaited = false
  #ackSent = 0
  #ackArrived = 0

  constructor(init: {
    name: string
    replica: string
    facts: ReplicaFacts
    daemon: DaemonFacts
    report: SimReport
    /** Whoever is hostile breaks the protocol and is blamed for it. */
    isHostile: boolean
  }) {
    this.#name = init.name
    this.#replica = init.replica
    this.#facts = init.facts
    this.#daemon = init.daemon
    this.#report = init.report
    this.#isHostile = init.isHostile
    this.#life = init.facts.life
    this.#life.newest = this
  }

  /** What a frame says, in short. */
  describe(frame: SimFrame): string {
    const fields = ['handle', 'label', 'address', 'reason', 'code', 'detail', 'n', 'count', 'seq'].flatMap((field) =>
      frame[field] === undefined ? [] : [`${field} ${frame[field]}`],
    )
    const changes =
      frame.run instanceof Uint8Array ? this.#changes(frame).map(({ hash, seq }) => `${hash.slice(0, 8)}:${seq}`) : []
    return ['', ...fields, ...changes].join(' ')
  }

  pluginSent(frame: SimFrame): void {
    if (frame.t === 'create') this.#addressOf.set(frame.handle as number, `${frame.scope}/${frame.label}`)
    if (frame.t === 'delta') {
      const isSupplied = (frame.tips as { peer?: string }[]).some(({ peer }) => peer !== undefined)
      for (const fact of this.#changes(frame)) {
        const known = keyOf(fact.address, fact.hash)
        if (this.#facts.acked.has(known)) this.#report.saw('supplied again after restore')
        if (this.#facts.isOwn(fact.actor) || this.#isHostile) this.#facts.sent.set(known, fact)
        if (this.#facts.isOwn(fact.actor)) this.#life.sent.add(known)
        else this.#supplied.add(known)
        this.#sent.push({ ...fact, isSupplied, isRefused: false })
      }
    }
    if (frame.t === 'done') this.#ended('plugin', frame)
  }

  pluginSaw(frame: SimFrame): void {
    switch (frame.t) {
      case 'delta':
        for (const { address, hash } of this.#changes(frame)) {
          if (this.#life.held.has(keyOf(address, hash))) this.#report.count('redelivered')
          this.#life.held.add(keyOf(address, hash))
        }
        break
      case 'ack':
        for (; this.#ackArrived < (frame.n as number); this.#ackArrived++) {
          const sent = this.#sent[this.#ackArrived]
          if (sent === undefined || sent.isRefused) continue
          this.#facts.acked.set(keyOf(sent.address, sent.hash), sent)
          if (sent.isSupplied) this.#report.saw('supplied change of another author')
        }
        break
      case 'refuse': {
        const code = String(frame.code)
        this.#report.count(`code ${code}`)
        for (const named of ['missing-deps', 'suspended', 'rate-limited'] as const) {
          if (code === named && !this.#isHostile) this.#report.saw(named)
        }
        this.#report.saw(isErrorCode(code) && errorTable[code].retryable ? 'refused retryable' : 'refused permanent')
        break
      }
      case 'block':
        this.#life.begin(`${frame.scope}/${frame.label}`, frame.generation as number)
        for (const fact of this.#heldOf(frame)) this.#facts.acked.set(keyOf(fact.address, fact.hash), fact)
        break
      case 'resync':
        this.#report.saw('resync')
        break
      case 'chunk':
        this.#report.saw('snapshot sent')
        break
      case 'quarantined':
        this.#report.saw('told of a quarantine')
        break
    }
  }

  daemonSent(frame: SimFrame): void {
    switch (frame.t) {
      case 'block':
        this.#addressOf.set(frame.handle as number, `${frame.scope}/${frame.label}`)
        this.#generationOf.set(`${frame.scope}/${frame.label}`, frame.generation as number)
        for (const fact of this.#heldOf(frame)) this.#mustBeDurable(fact, 'claimed as held')
        break
      case 'delta':
        this.#report.count('deltas')
        this.#spend((frame.run as Uint8Array).byteLength)
        for (const fact of this.#changes(frame)) {
          this.#mustBeDurable(fact, 'shown')
          const known = keyOf(fact.address, fact.hash)
          const isNewest = this.#life.newest === this && this.#facts.life === this.#life
          const wasSent = this.#life.sent.has(known) || this.#supplied.has(known)
          const isOwn = wasSent && this.#daemon.isFrom(this.#replica, fact.address, fact.hash)
          const isOther = this.#life.hasOther(fact.address, this.#generationOf.get(fact.address))
          const cannotSay = isOther || this.#facts.aside.has(known) || this.#life.untold.has(fact.address)
          if (isNewest && isOwn && !cannotSay) {
            this.#report.fail(`${this.#name} was sent its own change ${fact.hash.slice(0, 8)} of ${fact.address}`)
          }
        }
        break
      case 'chunk':
        this.#spend((frame.bytes as Uint8Array).byteLength)
        break
      case 'refuse': {
        const first = frame.n as number | undefined
        for (let n = 0; first !== undefined && n < ((frame.count as number | undefined) ?? 1); n++) {
          const sent = this.#sent[first - 1 + n]
          if (sent !== undefined) sent.isRefused = true
        }
        break
      }
      case 'ack':
        if (this.#isHostile) break
        for (; this.#ackSent < (frame.n as number); this.#ackSent++) {
          const sent = this.#sent[this.#ackSent]
          if (sent === undefined) this.#report.fail(`${this.#name} was acknowledged a change that it never sent`)
          else if (sent?.isRefused === false) this.#mustBeDurable(sent, 'acknowledged')
        }
        break
      case 'done':
        this.#ended('daemon', frame)
        break
    }
  }

  daemonSaw(frame: SimFrame): void {
    if (frame.t === 'credit') this.#credit += frame.bytes as number
    if (frame.t !== 'delta') return
    for (const { address, hash } of this.#changes(frame)) {
      if (this.#daemon.isDurable(address, hash) || this.#daemon.isRunning(hash)) this.#report.saw('duplicate')
    }
  }

  #spend(bytes: number): void {
    if (this.#hasWaited && this.#credit > 0) this.#report.saw('slow reader waited')
    this.#credit -= bytes
    this.#hasWaited = this.#credit <= 0
  }

  #mustBeDurable({ address, hash }: OwnFact, what: string): void {
    if (this.#daemon.isDurable(address, hash)) return
    this.#report.fail(
      `a change of ${address} was ${what} to ${this.#name} and is not in the store: ${hash.slice(0, 8)}`,
    )
  }

  #ended(by: string, frame: SimFrame): void {
    const code = String(frame.reason)
    this.#report.count(`end ${code}`)
    const category = isErrorCode(code) ? errorTable[code].category : 'invalid'
    // A frame that was cut off by the end of the path is malformed, and nobody's mistake.
    const isTorn = code === 'malformed' && String(frame.detail ?? '').includes('ended inside a frame')
    if (!innocentEnds.has(category) && !isTorn && !this.#isHostile) {
      this.#report.fail(`the ${by} ended the stream of ${this.#name} with ${code}: ${frame.detail ?? ''}`)
    }
  }

  *#heldOf(frame: SimFrame): Generator<OwnFact> {
    const address = `${frame.scope}/${frame.label}`
    const held = new Map(
      (frame.held as { readonly actor: string; readonly seq: number }[]).map(({ actor, seq }) => [actor, seq]),
    )
    if (held.size === 0) return
    for (const fact of this.#facts.sent.values()) {
      if (fact.address === address && fact.seq <= (held.get(fact.actor) ?? 0)) yield fact
    }
  }

  #changes(frame: SimFrame): OwnFact[] {
    const address = this.#addressOf.get(frame.handle as number) ?? ''
    try {
      return decodeRun(frame.run as Uint8Array).map((chunk) => {
        const { hash, actor, seq } = readChange(chunk)
        return { address, hash, actor, seq }
      })
    } catch (error) {
      if (this.#isHostile) return []
      throw error
    }
  }
}
