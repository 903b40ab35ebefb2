/** One random order of events about two keys, with the oracle that watches it. Deterministic for its seed. */
import { isDeepStrictEqual } from 'node:util'
import type { Approvals } from '../../../../daemon/approvals/approvals.ts'
import { openMemory } from '../../../../daemon/storage/memory.ts'
import type { PeerRow, Storage } from '../../../../daemon/storage/storage.ts'
import type { RequestCard } from '../../../../protocol/control/index.ts'
import { MooringError } from '../../../../protocol/errors.ts'
import type { PeerId } from '../../../../protocol/ids.ts'
import { limits } from '../../../../protocol/limits.ts'
import { lateStorage, mulberry } from './late-storage.ts'
import { codeOf, ManualClock, openWorld, peerOf, type World } from './world.ts'

const steps = 28
const read = 'blocks:read:space:home/*'
const write = 'blocks:write:space:home/*'
const serve = 'agent:serve:scout'
const admin = 'daemon:admin'
const asks = [[read], [read, write], [write], [read, write, serve], [read, write, serve, admin]]

/** What the oracle knows about a key. */
interface Known {
  readonly peer: PeerId
  /** What it may hold at most, from what the operator did so far. */
  may: Set<string>
  /** Everything it was ever allowed to hold: a row in the store may lag behind a cut. */
  readonly ever: Set<string>
  isRevoked: boolean
  /** Number of the last cut; an invite with a lower number means nothing any more. */
  cutAt: number
  /** A cut that could not be written: memory permits less than the store. */
  isCutOnlyInMemory: boolean
}

interface Invite {
  readonly secret: Uint8Array
  readonly hash: string
  readonly grants: readonly string[]
  readonly madeAt: number
}

export class Race {
  readonly story: string[] = []
  readonly outcomes: string[] = []
  readonly #failures: string[] = []
  readonly #random: () => number
  readonly #known: Known[]
  readonly #shown: RequestCard[] = []
  readonly #invites: Invite[] = []
  readonly #claimed = new Map<string, PeerId>()
  readonly #winners = new Map<string, string[]>()
  readonly #pending: Promise<unknown>[] = []
  readonly #clock = new ManualClock()
  readonly #canFail: boolean
  #serial = 0
  #writing: PeerId | undefined

  constructor(seed: number) {
    this.#random = mulberry(seed)
    this.#canFail = seed % 4 === 0
    this.#known = ['alice', 'mallory'].map((name) => ({
      peer: peerOf(name),
      may: new Set<string>(),
      ever: new Set<string>(),
      isRevoked: false,
      cutAt: 0,
      isCutOnlyInMemory: false,
    }))
  }

  async run(): Promise<void> {
    const plain = await openMemory({})
    const random = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, () => this.#random() * 256)
    const world = await openWorld({
      storage: plain,
      clock: this.#clock,
      random,
      wrap: (storage) =>
        lateStorage(this.#watched(storage), {
          below: (end) => this.#below(end),
          canFail: this.#canFail,
          onDecide: ({ peer }) => {
            this.#writing = peer?.row.state === 'approved' ? peer.row.peer : undefined
          },
        }),
    })
    for (const known of this.#known) this.#listen(world, known)
    if (this.#below(2) === 0) await this.#begin(world)
    for (let step = 0; step < steps; step++) {
      this.#step(world)
      this.#check(world)
      // At once, while something is under way, or after it has ended.
      const gap = this.#pick([0, 0, this.#below(10), 40])
      for (let tick = 0; tick < gap; tick++) {
        await null
        this.#check(world)
      }
    }
    await this.#quiet()
    await this.#checkQuiet(world, plain)
    this.#clock.advance(limits.requestTtlMs)
    await this.#quiet()
    await this.#checkQuiet(world, plain)
    if (!this.#canFail && world.approvals.requests().length > 0) this.#fail('a request outlived its time')
    await world.approvals.stop()
    if (this.#failures.length > 0) throw new Error(this.#failures[0])
  }

  /** Half of the orders begin with an approved key whose request for more is on the screen. */
  async #begin(world: World): Promise<void> {
    const [known] = this.#known
    if (known === undefined) return
    this.#allow(known, [read])
    const { secret } = await world.approvals.invite({ grants: [read], ttlMs: 1_000 })
    await codeOf(world.hello(known.peer, [read, write], { invite: secret }))
    this.#shown.push(...world.approvals.requests())
  }

  #step(world: World): void {
    const known = this.#pick(this.#known)
    const kind = this.#below(100)
    if (kind < 28) this.#hello(world, known)
    else if (kind < 40) this.#shown.push(...world.approvals.requests())
    else if (kind < 65) this.#approve(world)
    else if (kind < 70) this.#deny(world)
    else if (kind < 76) this.#cut(world, known, undefined)
    else if (kind < 82) this.#cut(world, known, this.#pick([[read], [write], []]))
    else if (kind < 86) this.#invite(world)
    else if (kind < 94) this.#claim(world, known)
    else this.#clock.advance(this.#pick([1, 1_000, limits.deniedRetryMs, limits.requestTtlMs - 1, limits.requestTtlMs]))
  }

  #hello(world: World, known: Known, invite?: Uint8Array): void {
    const wants = this.#pick(asks)
    const rest = { name: this.#pick(['notes', 'notes', 'diary']), ...(invite === undefined ? {} : { invite }) }
    const answer = world.hello(known.peer, wants, rest)
    this.#await(
      'hello',
      `${known.peer.slice(-4)} wants ${wants.length}${invite === undefined ? '' : ' with an invite'}`,
      answer.then(({ state, request }) =>
        state === 'approved' && request !== undefined ? 'approved and asking' : state,
      ),
    )
  }

  #approve(world: World): void {
    const card = this.#pickCard()
    if (card === undefined) return
    // Now and then the digest of another card, or more than was asked.
    const digest = this.#below(8) === 0 ? (this.#pickCard()?.digest ?? card.digest) : card.digest
    const grants = this.#pick([undefined, undefined, card.wants.slice(0, 1), [...new Set([...card.wants, admin])]])
    const name = this.#below(8) === 0 ? 'diary' : undefined
    const known = this.#of(card.peer)
    const given = grants ?? card.wants
    const mayWin =
      digest === card.digest &&
      given.every((grant) => card.wants.includes(grant)) &&
      stateOf(world.approvals, card.code) === 'pending' &&
      this.#clock.nowMs() < card.expiresAtMs &&
      !known.isRevoked
    if (mayWin) this.#allow(known, given)
    const result = world.approvals.approve({ code: card.code, digest, grants, name }).then((row) => {
      if (!mayWin) this.#fail(`${card.code} was approved and must not be`)
      if (row.grants.some((grant) => !known.ever.has(grant))) this.#fail(`${card.code} gave more than was approved`)
      this.#won(card.code, 'approved')
      return 'resolved'
    })
    this.#await('approve', `${card.code} ${given.length}`, result)
  }

  #deny(world: World): void {
    const card = this.#pickCard()
    if (card === undefined) return
    const result = world.approvals.deny(card.code).then(() => {
      this.#won(card.code, 'denied')
      return 'resolved'
    })
    this.#await('deny', card.code, result)
  }

  /** Revokes, or narrows to `grants`. */
  #cut(world: World, known: Known, grants: readonly string[] | undefined): void {
    const before = world.cuts.length
    const isRevoked = world.approvals.standing(known.peer) === 'revoked'
    const result =
      grants === undefined ? world.approvals.revoke(known.peer) : world.approvals.narrow(known.peer, grants)
    const hasCut = world.cuts.length > before
    if (hasCut) {
      if (this.#writing === known.peer) this.outcomes.push('cut while an approval was being written')
      this.#serial += 1
      known.cutAt = this.#serial
      known.may = new Set(grants ?? [])
      known.isRevoked = grants === undefined
    }
    const cutAt = known.cutAt
    const written = result.then(
      () => {
        if (known.cutAt === cutAt) known.isCutOnlyInMemory = false
        return 'resolved'
      },
      (error: unknown) => {
        if (hasCut || isRevoked) known.isCutOnlyInMemory ||= isStorageError(error)
        throw error
      },
    )
    this.#await(grants === undefined ? 'revoke' : 'narrow', known.peer.slice(-4), written)
  }

  #invite(world: World): void {
    const grants = this.#pick(asks)
    this.#serial += 1
    const madeAt = this.#serial
    const result = world.approvals.invite({ grants, ttlMs: limits.requestTtlMs * 2 }).then(({ secret, row }) => {
      this.#invites.push({ secret, hash: row.hash, grants, madeAt })
      return 'resolved'
    })
    this.#await('invite', `${grants.length}`, result)
  }

  #claim(world: World, known: Known): void {
    if (this.#invites.length === 0) return
    const invite = this.#pick(this.#invites)
    const owner = this.#claimed.get(invite.hash)
    // An invite works once, for one key, and never for a key that was cut after it was made.
    if (owner === undefined && invite.madeAt > known.cutAt) {
      this.#allow(known, invite.grants)
      if (known.isRevoked) this.outcomes.push('came back by a later invite')
      known.isRevoked = false
    }
    this.#hello(world, known, invite.secret)
  }

  #listen(world: World, known: Known): void {
    world.approvals.onDecision(known.peer, (event) => {
      this.story.push(`  told ${known.peer.slice(-4)} ${event.kind}`)
      if ('grant' in event && event.grant.texts.some((grant) => !known.may.has(grant))) {
        this.#fail(`was told of more than it may hold: ${event.grant.texts}`)
      }
    })
  }

  /** What is true at every moment. */
  #check({ approvals }: World): void {
    for (const known of this.#known) {
      const grant = approvals.grantOf(known.peer)
      const standing = approvals.standing(known.peer)
      if ((grant !== undefined) !== (standing === 'approved')) this.#fail(`holds something and is ${standing}`)
      if (known.isRevoked && standing !== 'revoked') this.#fail(`was revoked and is ${standing}`)
      const beyond = grant?.texts.find((text) => !known.may.has(text))
      if (beyond !== undefined) this.#fail(`holds ${beyond} that nobody approved`)
    }
  }

  /** What is true once nothing is under way. */
  async #checkQuiet(world: World, plain: Storage): Promise<void> {
    this.#check(world)
    const stored = await plain.peers()
    const states = new Map((await plain.requests()).map((row) => [row.code, row.state]))
    const next = await openWorld({ storage: await copyOf(plain), clock: new ManualClock() })
    for (const known of this.#known) {
      const row = stored.find(({ peer }) => peer === known.peer)
      const held = world.approvals.peers().find(({ peer }) => peer === known.peer)
      if (row?.grants.some((grant) => !known.ever.has(grant))) this.#fail('the store has more than was ever approved')
      if (known.isCutOnlyInMemory) continue
      if (!isDeepStrictEqual(row, held)) this.#fail('memory and store differ about a peer')
      if (row?.state === 'approved' && row.grants.some((grant) => !known.may.has(grant))) {
        this.#fail('the store permits what nobody approved')
      }
      if (!isDeepStrictEqual(next.approvals.grantOf(known.peer), world.approvals.grantOf(known.peer))) {
        this.#fail('another start permits something else')
      }
    }
    await next.approvals.stop()
    const open = [...states].filter(([, state]) => state === 'pending').map(([code]) => code)
    if (
      !isDeepStrictEqual(
        open.sort(),
        world.approvals
          .requests()
          .map(({ code }) => code)
          .sort(),
      )
    ) {
      this.#fail('memory and store differ about the open requests')
    }
    for (const [code, winners] of this.#winners) {
      if (winners.length > 1) this.#fail(`${code} was decided ${winners.length} times`)
      // Ended requests are removed from the store after a while.
      const state = states.get(code)
      if (state !== undefined && state !== winners[0]) this.#fail(`${code} was ${winners[0]} and is ${state}`)
    }
  }

  /** Watches every decision as the store takes it. */
  #watched(storage: Storage): Storage {
    const decide: Storage['decide'] = async (decision, options) => {
      const { request, invite, atMs } = decision
      const row = request && (await storage.requests()).find(({ code }) => code === request.code)
      await storage.decide(decision, options)
      this.#writing = undefined
      if (request?.to === 'approved' && row !== undefined && atMs >= row.expiresAtMs) this.#fail('granted after expiry')
      if (invite === undefined) return
      if (this.#claimed.has(invite.hash)) this.#fail('an invite was claimed twice')
      this.#claimed.set(invite.hash, invite.claimedBy)
      this.outcomes.push('invite claimed')
    }
    return new Proxy(storage, {
      get: (target, key) => (key === 'decide' ? decide : Reflect.get(target, key).bind(target)),
    })
  }

  #allow(known: Known, grants: readonly string[]): void {
    for (const grant of grants) {
      known.may.add(grant)
      known.ever.add(grant)
    }
  }

  #won(code: string, state: string): void {
    this.#winners.set(code, [...(this.#winners.get(code) ?? []), state])
  }

  #await(what: string, detail: string, result: Promise<string>): void {
    const line = this.story.push(`${what} ${detail}`) - 1
    const done = result.then(
      (outcome) => outcome,
      (error: unknown) => codeOf(Promise.reject(error)),
    )
    this.#pending.push(
      done.then((outcome) => {
        this.story[line] += `: ${outcome}`
        this.outcomes.push(`${what} ${outcome}`)
      }),
    )
  }

  async #quiet(): Promise<void> {
    await Promise.all(this.#pending.splice(0))
    // What timers began is awaited by nobody; every microtask has run by the next turn.
    await new Promise<void>((resolve) => setImmediate(resolve))
  }

  /** The first failure is kept and thrown at the end: thrown here it could be taken for an answer of the store. */
  #fail(what: string): void {
    this.#failures.push(what)
    this.story.push(`  FAILED: ${what}`)
  }

  #of(peer: PeerId): Known {
    const known = this.#known.find((one) => one.peer === peer)
    if (known === undefined) throw new Error('an unknown peer')
    return known
  }

  #pickCard(): RequestCard | undefined {
    // Mostly what was shown last, as people do.
    const cards = this.#below(4) === 0 ? this.#shown : this.#shown.slice(-2)
    return cards.length === 0 ? undefined : this.#pick(cards)
  }

  #below(end: number): number {
    return Math.floor(this.#random() * end)
  }

  #pick<Value>(values: readonly [Value, ...Value[]] | readonly Value[]): Value {
    return values[this.#below(values.length)] as Value
  }
}

const stateOf = (approvals: Approvals, code: string): string => {
  try {
    return approvals.request(code).state
  } catch {
    return 'gone'
  }
}

const isStorageError = (error: unknown): boolean =>
  error instanceof MooringError && (error.code === 'storage-full' || error.code === 'connection-lost')

async function copyOf(storage: Storage): Promise<Storage> {
  const copy = await openMemory({})
  const peers: readonly PeerRow[] = await storage.peers()
  for (const row of peers) await copy.decide({ atMs: 0, peer: { row, expectGrantVersion: 0 } })
  return copy
}
