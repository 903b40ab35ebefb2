/**
 * Pairs of plugins, each behind a network of its own that loses, doubles, delays and reorders datagrams, is cut off for a
 * while, and changes addresses, while both edit one block. Keeps: every pair comes to the same content, byte by byte.
 */
import { SimRandom } from '../network/sim-random.ts'
import { type Campaign, type CampaignOptions, type Figures, mustHold } from './campaign.ts'
import type { PluginHost } from './plugin-host.ts'
import type { Scene } from './scene.ts'
import { type Conditions, UdpProxy } from './udp-proxy.ts'
import { World } from './world.ts'

/** Networks at a time: most of the time each waits. */
const atOnce = 10
const sides = ['left', 'right'] as const
const edits = 30
/** All in all what a network with the heaviest loss carries in some seconds. */
const editBytes = 1_000
const keys = 10
const convergeMs = 300_000
/** Longer than it may take until a cut is noticed, on a machine that does ten other things. */
const noticeMs = 60_000

const faults = ['none', 'short cut', 'cut until noticed', 'other address'] as const

async function run({ count, seed, scene }: CampaignOptions): Promise<Figures> {
  const random = new SimRandom(seed)
  const world = new World(scene)
  await world.start()
  const target = await world.port()
  const hosts = { left: world.host(), right: world.host() }
  const noticedMs: number[] = []
  for (let first = 0; first < count; first += atOnce) {
    const batch = Array.from({ length: Math.min(atOnce, count - first) }, (_, n) => first + n)
    const networks = await Promise.all(
      batch.map((n) => Network.open({ n, random: random.fork(String(n)), scene, target, hosts, noticedMs })),
    )
    // One by one: how many may be on their way in at the same time is bounded.
    for (const network of networks) await network.enter(world)
    await Promise.all(networks.map((network) => network.run()))
  }
  return {
    networks: count,
    noticed: noticedMs.length,
    noticedMaxMs: Math.round(Math.max(0, ...noticedMs)),
    addressesChanged: Math.floor(count / faults.length),
  }
}

interface NetworkInit {
  readonly n: number
  readonly random: SimRandom
  readonly scene: Scene
  readonly target: number
  readonly hosts: Readonly<Record<(typeof sides)[number], PluginHost>>
  readonly noticedMs: number[]
}

class Network {
  readonly #init: NetworkInit
  readonly #proxy: UdpProxy
  readonly #block: string
  readonly #fault: (typeof faults)[number]

  private constructor(init: NetworkInit, proxy: UdpProxy) {
    this.#init = init
    this.#proxy = proxy
    this.#block = `space:soak/net-${init.n}`
    this.#fault = faults[init.n % faults.length] ?? 'none'
  }

  static async open(init: NetworkInit): Promise<Network> {
    return new Network(init, await UdpProxy.open(init.scene, init.target, init.random.fork('datagrams')))
  }

  /** Both plugins are let in, through the bad network. */
  async enter(world: World): Promise<void> {
    this.#proxy.conditions = conditionsOf(this.#init.random)
    for (const side of sides) {
      const { scene, hosts } = this.#init
      const to = this.#name(side)
      const ticket = await world.invite(this.#proxy.port)
      const start = { to, do: 'start', home: scene.folder(to), blocks: [this.#block], ticket } as const
      // One of them keeps nothing, so that both ways of starting anew are met.
      hosts[side].tell(side === 'left' ? start : { ...start, memory: true })
    }
    for (const side of sides) await this.#init.hosts[side].heard(this.#name(side), 'ready')
  }

  async run(): Promise<void> {
    await this.#edit('before')
    const during = this.#edit('during')
    await this.#break()
    await during
    await this.#edit('after')
    await this.#converge()
  }

  async #edit(when: string): Promise<void> {
    await Promise.all(
      sides.map((side) => {
        const to = this.#name(side)
        const put = { to, do: 'put', key: `${side} ${when}`, count: edits, bytes: editBytes, keys } as const
        return this.#init.hosts[side].ask(put, 'put')
      }),
    )
  }

  async #break(): Promise<void> {
    const proxy = this.#proxy
    if (this.#fault === 'other address') await proxy.changeAddresses()
    if (this.#fault === 'short cut') {
      proxy.cut()
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      proxy.heal()
    }
    if (this.#fault === 'cut until noticed') {
      const heard = sides.map((side) => this.#init.hosts[side].said(this.#name(side)))
      const cutMs = Date.now()
      proxy.cut()
      const noticed = await Promise.all(
        sides.map((side, index) =>
          this.#init.hosts[side].heard(this.#name(side), 'status', {
            from: heard[index] ?? 0,
            timeoutMs: noticeMs,
            fits: ({ state }) => state === 'offline',
          }),
        ),
      )
      for (const { atMs } of noticed) this.#init.noticedMs.push(atMs - cutMs)
      proxy.heal()
    }
  }

  async #converge(): Promise<void> {
    const { hosts, n } = this.#init
    const [left, right] = [this.#name('left'), this.#name('right')]
    // Settled on both sides, so the daemon has all there will be.
    await Promise.all([
      hosts.left.ask({ to: left, do: 'flush' }, 'flushed', convergeMs),
      hosts.right.ask({ to: right, do: 'flush' }, 'flushed', convergeMs),
    ])
    const deadlineMs = performance.now() + convergeMs
    for (;;) {
      const shown = await hosts.left.ask({ to: left, do: 'show' }, 'shown')
      const other = await hosts.right.ask({ to: right, do: 'show' }, 'shown')
      if (shown.digest === other.digest && shown.keys === sides.length * 3 * keys) break
      mustHold(performance.now() < deadlineMs, `network ${n} (${this.#fault}) must converge:`, shown, other)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await Promise.all([
      hosts.left.ask({ to: left, do: 'stop' }, 'stopped'),
      hosts.right.ask({ to: right, do: 'stop' }, 'stopped'),
    ])
  }

  #name(side: string): string {
    return `${side}-${this.#init.n}`
  }
}

function conditionsOf(random: SimRandom): Conditions {
  return {
    loss: 0.3 * random.unit(),
    duplicates: 0.1 * random.unit(),
    reordered: 0.2 * random.unit(),
    delayMs: 20 * random.unit(),
  }
}

export const badNetwork: Campaign = {
  name: 'bad-network',
  summary: 'datagrams are lost, doubled, delayed, overtaken, cut off and readdressed: every pair of plugins converges',
  unit: 'networks',
  counts: { short: 3, long: 100 },
  run,
}
