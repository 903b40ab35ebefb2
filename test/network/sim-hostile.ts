/**
 * A plugin with a grant and bad intentions: speaks the protocol without the SDK. Sends what every honest plugin takes and
 * no document can be made with, and what must have no effect at all: remembers which, so that it can be looked for.
 */
import * as A from '@automerge/automerge'
import {
  type ActorId,
  type BlockAddress,
  type ChangeHash,
  type Channel,
  decodeValue,
  type InstanceId,
  MooringError,
  parseAddress,
  schemaNamed,
} from '../../protocol/index.ts'
import { actorPrefix, encodeRun, makeActor, signTip } from '../../protocol/sync/index.ts'
import { daemonPerson, type Person } from '../fixtures/cast.ts'
import { poisons } from '../fixtures/poison-kinds.ts'
import type { Schema } from './sim-author.ts'
import { ReplicaFacts } from './sim-oracle.ts'
import { type Address, idFrom } from './sim-process.ts'
import type { SimRandom } from './sim-random.ts'
import type { SimWorld } from './sim-world.ts'

interface Frame {
  readonly t: string
  readonly [field: string]: unknown
}

export interface HostileInit {
  readonly world: SimWorld
  readonly person: Person
  /** Somebody whose changes it pretends to make. */
  readonly victim: Person
  readonly random: SimRandom
}

export class SimHostile {
  /** Changes that must never be stored; beside another one, if that is named. */
  readonly forbidden = new Map<string, string | undefined>()
  readonly #init: HostileInit
  #generation = 1
  #address = '' as BlockAddress

  constructor(init: HostileInit) {
    this.#init = init
  }

  /** Talks about one block for a while. Whatever ends the conversation ends the attack. */
  async attack(address: Address, schema: Schema): Promise<void> {
    const { world, person, random } = this.#init
    const clock = world.clock.scope()
    const name = `hostile ${person.name}`
    const ids = { id: idFrom(random), instance: idFrom(random) as unknown as InstanceId }
    const connection = await world.dial({ person, name, ...ids, clock, facts: new ReplicaFacts(), isHostile: true })
    if (connection instanceof MooringError) return
    try {
      const channel = await connection.openChannel()
      channel.send({ t: 'open', replica: ids.id, accept: ['raw'], watch: [], own: [] })
      const { scope, label, address: parsed } = parseAddress(address)
      channel.send({ t: 'create', handle: 1, scope, label, schema, meta: {} })
      const answer = await this.#next(channel, ['block', 'refuse'])
      if (answer?.t !== 'block' || answer.schema !== schema) return
      this.#address = parsed
      this.#generation = answer.generation as number
      let sent = 0
      const kinds = [this.#poison, this.#foreign, this.#unsigned, this.#twoStories, this.#orphan, this.#garbage]
      for (let n = random.int(1, 4); n > 0; n--) {
        sent += random.pick(kinds).call(this, channel, schema)
        for (let settled = 0; settled < sent; ) {
          const frame = await this.#next(channel, ['ack', 'done'])
          if (frame?.t !== 'ack') return
          settled = frame.n as number
        }
      }
    } catch (error) {
      if (!(error instanceof MooringError)) throw error
    } finally {
      connection.leave()
    }
  }

  /** What a document cannot be made with, and the engine takes. Returns how many changes were sent, as all of these do. */
  #poison(channel: Channel, schema: Schema): number {
    const kind = poisons.find((each) => each.passes && each.schema === schema && schema === 'text')
    if (kind === undefined) return 0
    const { honest, poison } = kind.make(this.#actor(), this.#actor())
    this.#submit(channel, [honest])
    this.#submit(channel, [poison])
    this.#init.world.report.saw('poison sent')
    return 2
  }

  /** In the name of somebody else. */
  #foreign(channel: Channel, schema: Schema): number {
    const bytes = changeBy(schema, this.#actor(this.#init.victim))
    return this.#forbid(channel, [bytes], bytes)
  }

  /** With a signature over something else. */
  #unsigned(channel: Channel, schema: Schema): number {
    const bytes = changeBy(schema, this.#actor())
    return this.#forbid(channel, [bytes], bytes, new Uint8Array(64).fill(7))
  }

  /** Two different changes with one sequence number. */
  #twoStories(channel: Channel, schema: Schema): number {
    const actor = this.#actor()
    const one = changeBy(schema, actor, 1)
    this.#submit(channel, [one])
    const other = changeBy(schema, actor, 2)
    const sent = 1 + this.#forbid(channel, [other], other)
    this.forbidden.set(A.decodeChange(other).hash, A.decodeChange(one).hash)
    return sent
  }

  /** A change without the one before it. */
  #orphan(channel: Channel, schema: Schema): number {
    const doc = docOf(schema, this.#actor())
    const first = A.change(doc, { time: 0 }, write(schema, 1))
    const second = A.getLastLocalChange(A.change(first, { time: 0 }, write(schema, 2)))
    return second === undefined ? 0 : this.#forbid(channel, [second], second)
  }

  /** A valid change with one byte that is not. */
  #garbage(channel: Channel, schema: Schema): number {
    const bytes = changeBy(schema, this.#actor())
    const bent = Uint8Array.from(bytes)
    const at = this.#init.random.int(8, bent.length - 1)
    bent[at] = (bent[at] ?? 0) ^ 1
    return this.#forbid(channel, [bent], bytes)
  }

  #forbid(channel: Channel, chunks: readonly Uint8Array[], named: Uint8Array, signature?: Uint8Array): number {
    this.forbidden.set(A.decodeChange(named).hash, undefined)
    this.#init.world.report.saw('hostile refused')
    this.#submit(channel, chunks, named, signature)
    return chunks.length
  }

  #submit(
    channel: Channel,
    chunks: readonly Uint8Array[],
    named: Uint8Array | undefined = chunks.at(-1),
    forged?: Uint8Array,
  ): void {
    if (named === undefined) return
    const { actor, seq, hash } = A.decodeChange(named)
    const place = { address: this.#address, generation: this.#generation }
    const tip = { ...place, actor: actor as ActorId, seq, hash: hash as ChangeHash }
    const signature = forged ?? signTip(this.#init.person.seed, tip)
    channel.send({ t: 'delta', handle: 1, run: encodeRun(chunks), tips: [{ actor, seq, hash, signature }] })
  }

  /** The next frame of one of the types; undefined at the end. */
  async #next(channel: Channel, types: readonly string[]): Promise<Frame | undefined> {
    for (;;) {
      const bytes = await channel.next()
      if (bytes === undefined) return undefined
      const frame = decodeValue(bytes) as Frame
      if (types.includes(frame.t)) return frame
    }
  }

  #actor(who: Person = this.#init.person): string {
    return makeActor(actorPrefix(daemonPerson.peer, who.peer), this.#init.random.bytes(8))
  }
}

type Root = { text: string; map: Record<string, unknown> }

const docOf = (schema: Schema, actor: string): A.Doc<Root> => A.load<Root>(schemaNamed(schema).initial.bytes, { actor })

const write =
  (schema: Schema, value: number) =>
  (root: Root): void => {
    if (schema === 'text') A.splice(root, ['text'], 0, 0, String(value))
    else root.map.hostile = value
  }

function changeBy(schema: Schema, actor: string, value = 1): Uint8Array {
  const bytes = A.getLastLocalChange(A.change(docOf(schema, actor), { time: 0 }, write(schema, value)))
  if (bytes === undefined) throw new Error('no change was made')
  return bytes
}
