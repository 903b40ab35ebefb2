/** One process of a simulated plugin: the real memory of the SDK, from its start to its end, with the blocks it opens. */
import * as A from '@automerge/automerge'
import { type BlockHandle, createMemory, type Memory, openMemory } from '../../plugin-sdk/memory/index.ts'
import {
  asError,
  errorTable,
  type InstanceId,
  isErrorCode,
  MooringError,
  type ReplicaId,
} from '../../protocol/index.ts'
import { readChange } from '../../protocol/sync/index.ts'
import { daemonPerson, type Person } from '../fixtures/cast.ts'
import { edit, fill, flood, type Schema } from './sim-author.ts'
import type { ClockScope } from './sim-clock.ts'
import type { LifeReplicaStore, SimHome } from './sim-home.ts'
import { keyOf, type ReplicaFacts } from './sim-oracle.ts'
import type { SimRandom } from './sim-random.ts'
import type { SimReport } from './sim-report.ts'

export type Address = `space:home/${string}`

export interface OpenBlock {
  readonly address: Address
  readonly schema: Schema
  readonly handle: BlockHandle
  /** Edits of this process that made a change. */
  made: number
}

export interface ProcessInit {
  /** Told what is drawn for actors. */
  readonly drawn: Set<string>
  readonly person: Person
  readonly name: string
  /** Undefined for a plugin that keeps nothing. */
  readonly home: SimHome | undefined
  readonly facts: ReplicaFacts
  readonly clock: ClockScope
  readonly random: SimRandom
  readonly report: SimReport
  /** The daemon has own changes that the store lacks. */
  onShortfall(): void
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

export class SimProcess {
  readonly clock: ClockScope
  readonly instance: InstanceId
  readonly blocks = new Map<Address, OpenBlock>()
  /** The changes made in this process that were handed to the store. */
  readonly written = new Set<string>()
  /** Promises of `flushed` that wait. */
  waiting = 0
  readonly #init: ProcessInit
  readonly #opening = new Set<Address>()
  #memory: Memory | undefined
  #store: LifeReplicaStore | undefined

  private constructor(init: ProcessInit) {
    this.#init = init
    this.clock = init.clock
    this.instance = idFrom(init.random) as unknown as InstanceId
  }

  /** Never resolves when the process ends before it is up. */
  static async start(init: ProcessInit): Promise<SimProcess> {
    const process = new SimProcess(init)
    const { home, clock, person, random, report } = init
    const actors = random.fork('actors')
    const shared = {
      identity: person,
      daemon: daemonPerson.peer,
      clock,
      log: { warn: (fields: { readonly err?: unknown }, text: string) => process.#warned(fields.err, text) },
      random: (bytes: number) => {
        const drawn = actors.bytes(bytes)
        init.drawn.add(Buffer.from(drawn).toString('hex'))
        return drawn
      },
      onShortfall: () => init.onShortfall(),
    }
    if (home === undefined) process.#memory = createMemory(shared)
    else {
      process.#memory = await openMemory({
        ...shared,
        path: init.name,
        replica: idFrom(random),
        openStore: async (storeInit) => {
          await clock.wait(random.int(1, 30))
          process.#store = home.open(storeInit, clock, (hashes) => {
            for (const hash of hashes) process.written.add(hash)
          })
          return process.#store
        },
      })
    }
    report.trace(`${init.name} runs`)
    return process
  }

  /** @throws before it is up */
  get memory(): Memory {
    if (this.#memory === undefined) throw new Error('the process is not up')
    return this.#memory
  }

  /** Whether there is a store and it can promise something; undefined when there is none. */
  get isStoring(): boolean | undefined {
    return this.#store === undefined ? undefined : !this.#store.hasFailed
  }

  /** Blocks of which the store did not know, when the process began, that the daemon has them. */
  get untold(): string[] {
    const blocks = this.#store?.state.blocks ?? []
    return blocks.filter(({ generation }) => generation === undefined).map(({ address }) => address)
  }

  get isWriting(): boolean {
    return this.#store?.isBusy === true
  }

  /** Opens a block, as soon as what is stored of it is read. */
  async open(address: Address, schema: Schema): Promise<void> {
    if (this.blocks.has(address) || this.#opening.has(address)) return
    this.#opening.add(address)
    try {
      await this.memory.prepare(address)
    } catch (error) {
      this.#opening.delete(address)
      // Its author tries again later, or with the next process.
      const code = error instanceof MooringError ? error.code : 'internal'
      if (!['storage-full', 'storage-failed'].includes(code)) throw error
      if (code === 'storage-full') this.clock.after(1_000, () => this.open(address, schema))
      return
    }
    if (this.clock.isDead) return
    const { report, name } = this.#init
    const handle = this.memory.open(address, schema) as unknown as BlockHandle
    const block: OpenBlock = { address, schema, handle, made: 0 }
    for (const refused of handle.refused) this.#setAside(address, refused)
    handle.on('change', ({ local }) => {
      if (local) block.made++
    })
    handle.on('refused', (refused) => {
      if (!this.clock.isDead) this.#setAside(address, refused)
    })
    this.blocks.set(address, block)
    report.trace(`${name} opens ${address}`)
  }

  edit(block: OpenBlock, random: SimRandom): void {
    this.#change('edits', block, () => edit(block.handle, random))
  }

  fill(block: OpenBlock, random: SimRandom): void {
    this.#change('fills', block, () => fill(block.handle, random))
  }

  flood(block: OpenBlock): void {
    this.#change('floods', block, () => flood(block.handle))
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

  /** Folds what is stored of some block. */
  fold(random: SimRandom): void {
    // What is set aside at the daemon makes no snapshot: then everything stays as it is.
    this.#store?.fold(random.int(1, 3)).catch(() => this.#init.report.count('fold failed'))
  }

  #change(what: string, block: OpenBlock, change: () => void): void {
    if (block.handle.state === 'gone') return
    this.#init.report.trace(`${this.#init.name} ${what} ${block.address}`)
    change()
  }

  #setAside(
    address: Address,
    { code, changes }: { readonly code: string; readonly changes: readonly Uint8Array[] },
  ): void {
    const { facts, name, report } = this.#init
    report.trace(`${name} sets aside ${changes.length} of ${address}: ${code}`)
    // Set aside for good is only what can never be taken.
    if (isErrorCode(code) && errorTable[code].retryable) report.fail(`${name} sets aside for ${code}, which passes`)
    for (const bytes of changes) {
      const { hash, actor } = readChange(bytes)
      facts.aside.set(keyOf(address, hash), actor)
    }
  }

  #warned(err: unknown, text: string): void {
    const { name, report } = this.#init
    if (this.clock.isDead) return
    if (err === undefined) {
      report.trace(`${name} warns: ${text}`)
      return
    }
    const error = asError(err)
    const code = error instanceof MooringError ? error.code : 'thrown'
    report.trace(`${name} warns ${code}`)
    const isTorn = code === 'malformed' && error.message.includes('ended inside a frame')
    if (!innocent.has(code) && !isTorn) report.fail(`${name} warned: ${error.stack}`)
  }
}

export const idFrom = (random: SimRandom): ReplicaId => Buffer.from(random.bytes(16)).toString('hex') as ReplicaId
