/**
 * Watchers that stop: half of all that watch some blocks are halted or read nothing while one plugin writes megabytes. Keeps:
 * the daemon holds little for each of them, the others get everything meanwhile, and those that stopped get it afterwards.
 *
 * What a stopped watcher costs is what the daemon needs for the same work beyond what it needed while all were reading. The
 * work is spread over many blocks, because the views hold some of these with their history, which is no watcher's.
 */
import { setTimeout as nextLook } from 'node:timers/promises'
import { residentMb } from '../bench/proc-stats.ts'
import { type Campaign, type CampaignOptions, type Figures, mustHold, Skipped } from './campaign.ts'
import type { PluginHost } from './plugin-host.ts'
import type { Scene } from './scene.ts'
import { World } from './world.ts'

const blocks = Array.from({ length: 16 }, (_, n) => `space:soak/wide-${n}`)
const editBytes = 64 * 1024
const keys = 8
const maxMbEach = 16
/** Unbounded queues would take about this much of each, well over the bound. */
const writtenMbEach = 28
/** Written twice: while all are reading, and while some are not. */
const edits = Math.ceil((writtenMbEach * 1024 * 1024) / editBytes)
const waitMs = 600_000
/** The index begins two seconds after the last change: that long and then some without growth. */
const lookMs = 500
const calmLooks = 10

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
  const write = async (key: string): Promise<string> => {
    const put = { to: 'writer', do: 'put', key: `${seed} ${key}`, count: edits, bytes: editBytes, keys } as const
    await writer.ask(put, 'put', waitMs)
    await writer.ask({ to: 'writer', do: 'flush' }, 'flushed', waitMs)
    return (await writer.ask({ to: 'writer', do: 'show' }, 'shown')).digest
  }
  const allHave = (digest: string, ...which: (typeof kinds)[number][]): Promise<unknown> =>
    Promise.all(
      which.flatMap((kind) => groups[kind].map((to) => hosts[kind].ask({ to, do: 'await', digest }, 'same', waitMs))),
    )
  await allHave(await write('together'), 'reading', 'deaf', 'halted')
  await quiet(pid)
  const before = memoryOf(pid)

  const [deaf] = groups.deaf
  if (deaf !== undefined) await hosts.deaf.ask({ to: deaf, do: 'listen', isDeaf: true }, 'deaf')
  hosts.halted.child.signal('SIGSTOP')
  const slow = groups.deaf.length + groups.halted.length
  const digest = await write('slow')
  await allHave(digest, 'reading')
  const after = memoryOf(pid)
  // The peak of a burst has garbage in it, more or less of it each time; what is held for somebody is in both.
  const grownMb = Math.min(after.peak - before.peak, after.now - before.now)
  mustHold(grownMb <= maxMbEach * slow, 'a watcher that reads nothing must cost little:', grownMb, slow)

  hosts.halted.child.signal('SIGCONT')
  if (deaf !== undefined) await hosts.deaf.ask({ to: deaf, do: 'listen', isDeaf: false }, 'listening')
  await allHave(digest, 'deaf', 'halted')
  return {
    watchers: count,
    stopped: slow,
    peakMb: Math.round(before.peak),
    peakGrownMb: Math.round(after.peak - before.peak),
    nowGrownMb: Math.round(after.now - before.now),
    mbEach: Number((grownMb / slow).toFixed(2)),
  }
}

/** What is made of the log behind it, texts and their index, is no watcher's either: when it is there, memory grows no more. */
async function quiet(pid: number): Promise<void> {
  for (let [calm, last] = [0, 0]; calm < calmLooks; ) {
    await nextLook(lookMs)
    const now = memoryOf(pid).peak
    calm = now - last < 1 ? calm + 1 : 0
    last = now
  }
}

const memoryOf = (pid: number): { readonly now: number; readonly peak: number } => ({
  now: residentMb(pid, 'now') ?? 0,
  peak: residentMb(pid, 'peak') ?? 0,
})

const namesOf = (kind: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${kind}-${n}`)

async function enter(world: World, scene: Scene, host: PluginHost, name: string, port: number): Promise<void> {
  const ticket = await world.invite(port)
  const start = { to: name, do: 'start', home: scene.folder(name), blocks, ticket, memory: true } as const
  await host.ask(start, 'ready')
  await host.ask({ to: name, do: 'flush' }, 'flushed')
}

export const slowWatchers: Campaign = {
  name: 'slow-watchers',
  summary:
    'half of the watchers of some blocks stop while one plugin writes: they cost little, the others have all of it, and so have these later',
  unit: 'watchers',
  counts: { short: 8, long: 64 },
  run,
}
