/**
 * A whole daemon whose disk fails or is full while plugins write. Keeps: after a failed sync it ends with a failure, and
 * everything that it had settled is there at the next start; on a full disk it stays, shows what it has, revokes, and takes
 * edits again by itself when there is space.
 */
import { errorTable } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/index.ts'
import { SimRandom } from '../network/sim-random.ts'
import { type Campaign, type CampaignOptions, type Figures, mustHold } from './campaign.ts'
import { compileShim, FaultControl } from './fault-shim.ts'
import type { PluginHost } from './plugin-host.ts'
import { World } from './world.ts'

const names = ['ada', 'ben'] as const
const shared = 'space:soak/shared'
const megabyte = 1024 * 1024

async function run({ count, seed, scene }: CampaignOptions): Promise<Figures> {
  const library = compileShim(scene)
  const random = new SimRandom(seed)
  const tally = { failedSyncs: 0, fullDisks: 0, settled: 0 }
  for (let round = 0; round < count; round++) {
    const world = new World(scene)
    const control = new FaultControl(scene, library, world.places.stateDir)
    await world.start(control.env)
    // A process for each: one of them is thrown out, which must not be taken for a failure of the other.
    const hosts = { ada: world.host(), ben: world.host() }
    const settled = countSettled(hosts)
    const peers = await enter(world, hosts)
    if (round % 2 === 0) await failSync({ world, hosts, control, random, settled })
    else await fillDisk({ world, hosts, control, random, settled, peers })
    if (round % 2 === 0) tally.failedSyncs++
    else tally.fullDisks++
    for (const seq of settled.values()) tally.settled += seq
    for (const name of names) await hosts[name].child.kill()
    await world.kill()
  }
  return tally
}

type Hosts = Readonly<Record<(typeof names)[number], PluginHost>>

interface Fault {
  readonly world: World
  readonly hosts: Hosts
  readonly control: FaultControl
  readonly random: SimRandom
  readonly settled: ReadonlyMap<string, number>
}

/** Newest change by actor that the daemon said is durable. */
function countSettled(hosts: Hosts): Map<string, number> {
  const newest = new Map<string, number>()
  for (const name of names) {
    hosts[name].onWord((word) => {
      if (word.said !== 'settled') return
      for (const { actor, seq } of word.made) newest.set(actor, Math.max(newest.get(actor) ?? 0, seq))
    })
  }
  return newest
}

async function enter(world: World, hosts: Hosts): Promise<Map<string, PeerId>> {
  const peers = new Map<string, PeerId>()
  for (const name of names) {
    const host = hosts[name]
    host.tell({ to: name, do: 'start', home: world.scene.folder(name), blocks: [shared] })
    await world.admit(1)
    const { peer } = await host.heard(name, 'ready')
    peers.set(name, peer as PeerId)
    host.tell({ to: name, do: 'load', key: name, perTurn: 5, pauseMs: 10 })
  }
  for (const name of names) await hosts[name].heard(name, 'settled')
  return peers
}

async function failSync({ world, hosts, control, random, settled }: Fault): Promise<void> {
  control.failSync(random.pick(['one sync', 'every sync']), 'log', random.int(0, 40))
  const code = await world.daemon.exitCode()
  const expected = errorTable['storage-failed'].exit
  mustHold(code === expected, 'a daemon whose disk failed must end with a failure:', code, world.daemon.said)
  control.heal()
  world.inspect((database) => {
    for (const [actor, seq] of settled) {
      const held = database.prepare(clockSql).pluck().get(actor.toUpperCase())
      mustHold(Number(held ?? 0) >= seq, 'what was settled must be there:', actor, seq, held)
    }
  })
  await world.kill()
  await world.start(control.env)
  for (const name of names) await hosts[name].heard(name, 'settled', { from: hosts[name].said(name) })
}

async function fillDisk(fault: Fault & { readonly peers: ReadonlyMap<string, PeerId> }): Promise<void> {
  const { world, hosts, control, random, peers } = fault
  control.boundSpace(random.int(0, 256 * 1024))
  const failed = control.read('failed')
  const isFull = (): boolean => control.read('failed') > failed
  const [stays, goes] = names
  await hosts[stays].child.until(isFull, 'a full disk')
  const { blocks } = await world.control.block.list({ after: '', limit: 10 })
  mustHold(blocks.length === 1, 'a daemon on a full disk must show what it has:', blocks)
  await world.control.block.show({ address: blocks[0]?.address ?? (shared as never), offset: 0 })
  const peer = peers.get(goes)
  mustHold(peer !== undefined, 'the plugin must have said who it is')
  await world.control.peer.revoke({ who: peer })
  const { peers: cards } = await world.control.peer.list({})
  const state = cards.find((card) => card.peer === peer)?.state
  mustHold(state === 'revoked', 'a revocation must be written on a full disk:', state)
  mustHold(!world.daemon.hasExited, 'a full disk is no reason to end:', world.daemon.said)
  control.boundSpace(64 * megabyte)
  await hosts[stays].heard(stays, 'settled', { from: hosts[stays].said(stays) })
  control.heal()
}

const clockSql = 'SELECT seq FROM clock WHERE hex(actor) = ?'

export const daemonDisk: Campaign = {
  name: 'daemon-disk',
  summary:
    'the disk of a whole daemon fails or is full under load: it ends and recovers, or stays, revokes and goes on',
  unit: 'daemons',
  counts: { short: 2, long: 40 },
  run,
}
