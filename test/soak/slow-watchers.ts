/**
 * Watchers that stop: half of all that watch a block are halted or read nothing while one plugin writes megabytes. Keeps:
 * the daemon holds little for each of them, the others get everything meanwhile, and those that stopped get it afterwards.
 */
import { residentMb } from '../bench/proc-stats.ts'
import { type Campaign, type CampaignOptions, type Figures, mustHold, Skipped } from './campaign.ts'
import type { PluginHost } from './plugin-host.ts'
import type { Scene } from './scene.ts'
import { World } from './world.ts'

const block = 'space:soak/wide'
const editBytes = 64 * 1024
const keys = 8
/** Written before anyone stops: what the daemon needs for the work itself is no cost of a slow watcher. */
const warmEdits = 80
const maxMbEach = 16
/** Unbounded queues would take about this much of each, well over the bound. */
const writtenMbEach = 28
const waitMs = 600_000

async function run({ count, seed, scene }: CampaignOptions): Promise<Figures> {
  const world = new World(scene)
  await world.start()
  const { pid } = world.daemon
  if (residentMb(pid, 'now') === undefined) throw new Skipped('the memory of a process is read from /proc')
  const port = await world.port()
  const hosts = { writer: world.host(), reading: world.host(), deaf: world.host(), halted: world.host() }
  const groups = {
    writer: ['writer'],
    reading: namesOf('reading', count - Math.floor(count / 2)),
    deaf: namesOf('deaf', Math.ceil(Math.floor(count / 2) / 2)),
    halted: namesOf('halted', Math.floor(Math.floor(count / 2) / 2)),
  }
  const kinds = ['writer', 'reading', 'deaf', 'halted'] as const
  for (const kind of kinds) for (const name of groups[kind]) await enter(world, scene, hosts[kind], name, port)
  const writer = hosts.writer
  const write = async (key: string, edits: number): Promise<string> => {
    const put = { to: 'writer', do: 'put', key: `${seed} ${key}`, count: edits, bytes: editBytes, keys } as const
    await writer.ask(put, 'put', waitMs)
    await writer.ask({ to: 'writer', do: 'flush' }, 'flushed', waitMs)
    return (await writer.ask({ to: 'writer', do: 'show' }, 'shown')).digest
  }
  const allHave = (digest: string, ...which: (typeof kinds)[number][]): Promise<unknown> =>
    Promise.all(
      which.flatMap((kind) => groups[kind].map((to) => hosts[kind].ask({ to, do: 'await', digest }, 'same', waitMs))),
    )
  await allHave(await write('warm', warmEdits), 'reading', 'deaf', 'halted')
  const peakBefore = residentMb(pid, 'peak') ?? 0

  const [deaf] = groups.deaf
  if (deaf !== undefined) await hosts.deaf.ask({ to: deaf, do: 'listen', isDeaf: true }, 'deaf')
  hosts.halted.child.signal('SIGSTOP')
  const slow = groups.deaf.length + groups.halted.length
  const digest = await write('slow', Math.ceil((writtenMbEach * 1024 * 1024) / editBytes))
  await allHave(digest, 'reading')
  const grownMb = (residentMb(pid, 'peak') ?? 0) - peakBefore
  mustHold(grownMb <= maxMbEach * slow, 'a watcher that reads nothing must cost little:', grownMb, slow)

  hosts.halted.child.signal('SIGCONT')
  if (deaf !== undefined) await hosts.deaf.ask({ to: deaf, do: 'listen', isDeaf: false }, 'listening')
  await allHave(digest, 'deaf', 'halted')
  const mbEach = Number((grownMb / slow).toFixed(2))
  return { watchers: count, stopped: slow, peakBeforeMb: Math.round(peakBefore), grownMb: Math.round(grownMb), mbEach }
}

const namesOf = (kind: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${kind}-${n}`)

async function enter(world: World, scene: Scene, host: PluginHost, name: string, port: number): Promise<void> {
  const ticket = await world.invite(port)
  const start = { to: name, do: 'start', home: scene.folder(name), blocks: [block], ticket, memory: true } as const
  await host.ask(start, 'ready')
  await host.ask({ to: name, do: 'flush' }, 'flushed')
}

export const slowWatchers: Campaign = {
  name: 'slow-watchers',
  summary:
    'half of the watchers of a block stop while one plugin writes: the others have all of it, and so have these later',
  unit: 'watchers',
  // The views work on what is written, and their memory is no watcher's: only many watchers stand out from it.
  counts: { short: 0, long: 64 },
  run,
}
