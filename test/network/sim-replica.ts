/** One replica of a simulated plugin: the real memory of the SDK, an author who edits, and a connection that comes and goes. */
import * as A from '@automerge/automerge'
import { type BlockHandle, Counter, createMemory, type Memory, splice } from '../../plugin-sdk/memory/index.ts'
import { asError, errorTable, isErrorCode, MooringError, type ReplicaId } from '../../protocol/index.ts'
import { readChange } from '../../protocol/sync/index.ts'
import { daemonPerson, type Person } from '../fixtures/cast.ts'
import type { SimClock } from './sim-clock.ts'
import type { SimConnection } from './sim-connection.ts'
import { ReplicaFacts } from './sim-oracle.ts'
import type { SimRandom } from './sim-random.ts'
import type { SimReport } from './sim-report.ts'

export type Address = `space:home/${string}`

export interface OpenBlock {
  readonly address: Address
  readonly schema: 'text' | 'map'
  readonly handle: BlockHandle
  /** Edits that made a change. */
  made: number
  /** Hashes of what was refused for good. */
  readonly aside: Set<string>
}

export interface ReplicaInit {
  readonly person: Person
  readonly name: string
  readonly clock: SimClock
  readonly random: SimRandom
  readonly report: SimReport
  /** Tries to connect; undefined when the daemon cannot be reached or refuses. */
  dial(replica: SimReplica): Promise<SimConnection | undefined>
}

/** Codes with which a stream may end; any other is a mistake of one side. */
const innocent = new Set([
  'connection-lost',
  'cancelled',
  'superseded',
  'lagging',
  'timeout',
  'daemon-stopping',
  'storage-failed',
  'storage-full',
])

export class SimReplica {
  readonly person: Person
  readonly name: string
  readonly id: ReplicaId
  readonly memory: Memory
  readonly facts = new ReplicaFacts()
  readonly blocks = new Map<Address, OpenBlock>()
  /** Promises of `flushed` that wait. */
  waiting = 0
  connection: SimConnection | undefined
  readonly #init: ReplicaInit
  #wantsOnline = false
  #isDialling = false

  constructor(init: ReplicaInit) {
    const { person, name, clock, random, report } = init
    this.#init = init
    this.person = person
    this.name = name
    this.id = Buffer.from(random.bytes(16)).toString('hex') as ReplicaId
    const actors = random.fork('actors')
    this.memory = createMemory({
      identity: person,
      daemon: daemonPerson.peer,
      clock,
      log: { warn: (fields) => this.#warned(asError((fields as { err?: unknown }).err)) },
      random: (bytes) => actors.bytes(bytes),
    })
    report.trace(`replica ${name}`)
  }

  get isConnected(): boolean {
    return this.connection !== undefined && !this.connection.signal.aborted
  }

  open(address: Address, schema: 'text' | 'map'): OpenBlock {
    const present = this.blocks.get(address)
    if (present !== undefined) return present
    const { report } = this.#init
    const { name } = this
    const handle = this.memory.open(address, schema) as unknown as BlockHandle
    const block: OpenBlock = { address, schema, handle, made: 0, aside: new Set() }
    handle.on('change', ({ local }) => {
      if (local) block.made++
    })
    handle.on('refused', ({ code, changes }) => {
      report.trace(`${name} sets aside ${changes.length} of ${address}: ${code}`)
      // Set aside for good is only what can never be taken.
      if (isErrorCode(code) && errorTable[code].retryable) report.fail(`${name} sets aside for ${code}, which passes`)
      for (const bytes of changes) block.aside.add(readChange(bytes).hash)
    })
    this.blocks.set(address, block)
    report.trace(`${name} opens ${address}`)
    return block
  }

  /** One edit by the author, of a kind that the randomness chooses. */
  edit(block: OpenBlock, random: SimRandom, size = 12): void {
    if (block.handle.state === 'gone') return
    const { handle } = block
    this.#init.report.trace(`${this.name} edits ${block.address}`)
    if (block.schema === 'text') {
      ;(handle as unknown as BlockHandle<'text'>).change((draft) => {
        const { length } = draft.text
        const at = random.int(0, length)
        const deleted = random.chance(0.3) ? Math.min(length - at, random.int(1, size)) : 0
        const text = String.fromCharCode(97 + random.int(0, 25)).repeat(random.int(1, size))
        splice(draft, ['text'], at, deleted, random.chance(0.85) ? text : '')
      })
      return
    }
    ;(handle as unknown as BlockHandle<'map'>).change(({ map }) => {
      const key = `key${random.int(0, 5)}`
      const present = map[key]
      const kind = random.int(0, 5)
      if (kind === 0) map[`count${key}`] = new Counter(1)
      const count = map[`count${key}`]
      if (kind === 1 && count instanceof Counter) count.increment(random.int(1, 9))
      else if (kind === 2) delete map[key]
      else if (kind === 3) map[key] = { made: random.int(0, 99), list: [1, 2] }
      else if (kind === 4 && Array.isArray(present)) present.push(random.int(0, 99))
      else if (kind === 5) map[key] = [random.int(0, 99)]
      else map[key] = random.int(0, 1_000)
    })
  }

  /** Something that fills credit windows. */
  editHuge(block: OpenBlock, random: SimRandom): void {
    if (block.handle.state === 'gone' || block.schema !== 'map') return
    this.#init.report.trace(`${this.name} fills ${block.address}`)
    const bytes = random.bytes(random.int(100_000, 160_000))
    ;(block.handle as unknown as BlockHandle<'map'>).change(({ map }) => {
      map[`huge${random.int(0, 3)}`] = bytes
    })
  }

  flush(block: OpenBlock): void {
    this.waiting++
    const done = (): void => {
      this.waiting--
    }
    block.handle.flushed().then(done, done)
  }

  heads(block: OpenBlock): string[] {
    return A.getHeads(block.handle.value).sort()
  }

  goOnline(): void {
    this.#wantsOnline = true
    this.#dialSoon(0)
  }

  goOffline(): void {
    this.#wantsOnline = false
    this.connection?.leave()
  }

  /** After a connection that was good at once, as a rule: what was on its way may still be. */
  #dialAgain(): void {
    const { random } = this.#init
    this.#dialSoon(random.chance(0.7) ? random.int(0, 20) : random.int(100, 1_500))
  }

  #dialSoon(ms: number): void {
    if (this.#isDialling) return
    this.#isDialling = true
    this.#init.clock.after(ms, () => {
      this.#isDialling = false
      void this.#dial().catch((error: unknown) => this.#init.report.fail(`dialling threw: ${asError(error).stack}`))
    })
  }

  async #dial(): Promise<void> {
    if (!this.#wantsOnline || this.#isDialling || this.isConnected) return
    this.#isDialling = true
    const connection = await this.#init.dial(this)
    this.#isDialling = false
    if (connection === undefined) {
      this.#dialSoon(this.#init.random.int(200, 1_500))
      return
    }
    if (!this.#wantsOnline) {
      connection.leave()
      return
    }
    this.connection = connection
    const { signal } = connection
    signal.addEventListener('abort', () => this.#dialAgain(), { once: true })
    if (signal.aborted) {
      this.#dialAgain()
      return
    }
    this.#init.report.trace(`${this.name} is connected`)
    this.memory.onConnection({
      daemon: daemonPerson.peer,
      replica: this.id,
      signal,
      openChannel: () => connection.openChannel(),
    })
  }

  #warned(error: Error): void {
    const code = error instanceof MooringError ? error.code : 'thrown'
    this.#init.report.trace(`${this.name} warns ${code}`)
    const isTorn = code === 'malformed' && error.message.includes('ended inside a frame')
    if (!innocent.has(code) && !isTorn) this.#init.report.fail(`${this.name} lost its stream: ${error.stack}`)
  }
}
