/**
 * Power cuts: the calls of a real store process are recorded and replayed up to random moments, each time with another
 * part of what was not synced missing or torn, and the real storage opens what is left. Keeps: the campaign can fail; the
 * same without waiting for the disk must lose what was acknowledged.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { SimRandom } from '../network/sim-random.ts'
import { type Campaign, type CampaignOptions, type Figures, mustHold } from './campaign.ts'
import { countDaemonRows, recoverDaemonStore } from './daemon-store.ts'
import { DiskModel } from './disk-model.ts'
import { countReplicaRows, recoverReplicaStore } from './replica-store.ts'
import { type FileCall, readTrace, traced } from './syscall-trace.ts'

interface Kind {
  readonly which: 'daemon' | 'replica'
  readonly commands: readonly string[]
  readonly controlCommands: readonly string[]
  recover(folder: string, withThreads: boolean): Promise<number>
  count(folder: string): number
}

const kinds: readonly Kind[] = [
  {
    which: 'daemon',
    commands: ['overlap 240'],
    controlCommands: ['overlap 90'],
    recover: recoverDaemonStore,
    count: countDaemonRows,
  },
  {
    which: 'replica',
    // Enough that changes are folded into a snapshot, which must not lose any either.
    commands: ['settled 60', 'fold', 'write 60'],
    controlCommands: ['write 60'],
    recover: recoverReplicaStore,
    count: countReplicaRows,
  },
]

/** Every so many images are opened in threads of their own, as a daemon and a plugin do it. */
const withThreadsEvery = 10
/** The write-ahead log is folded back so often that many cuts fall into it. */
const walPages = '40'
const controlImages = 60

async function run({ count, seed, scene }: CampaignOptions): Promise<Figures> {
  const random = new SimRandom(seed)
  const figures: Record<string, number> = {}
  for (const kind of kinds) {
    const calls = await record(scene, kind, 'FULL')
    figures[`${kind.which}Calls`] = calls.length
    figures[`${kind.which}Syncs`] = calls.filter((call) => call.kind === 'sync').length
    let unsyncedMatters = 0
    let images = 0
    for (const cut of cuts(calls, count, random.fork(kind.which))) {
      const folder = scene.folder('image')
      cut.disk.cutTo(folder, cut.random)
      let found: number
      try {
        found = await kind.recover(folder, images++ % withThreadsEvery === 0)
      } catch (error) {
        throw new Error(`${kind.which}: the image at call ${cut.at} does not open`, { cause: error })
      }
      mustHold(found >= cut.acked, `${kind.which}: acknowledged and lost at call ${cut.at}:`, found, cut.acked)
      if (found > cut.acked) unsyncedMatters++
      rmSync(folder, { recursive: true, maxRetries: 3 })
    }
    figures[`${kind.which}Images`] = images
    figures[`${kind.which}ImagesWithMore`] = unsyncedMatters
    figures[`${kind.which}LostWithoutWaiting`] = await lostWithoutWaiting({ seed, scene, kind })
  }
  return figures
}

/** How many images lose something when a commit does not wait for the disk. */
async function lostWithoutWaiting({ seed, scene, kind }: Pick<CampaignOptions, 'seed' | 'scene'> & { kind: Kind }) {
  const calls = await record(scene, kind, 'NORMAL')
  let lost = 0
  for (const cut of cuts(calls, controlImages, new SimRandom(`${seed} control ${kind.which}`))) {
    const folder = scene.folder('control')
    cut.disk.cutTo(folder, cut.random)
    if (kind.count(folder) < cut.acked) lost++
    rmSync(folder, { recursive: true, maxRetries: 3 })
  }
  mustHold(
    lost > 0,
    `${kind.which}: without waiting for the disk a power cut must lose something, or nothing is tested`,
  )
  return lost
}

async function record(scene: CampaignOptions['scene'], kind: Kind, synchronous: string): Promise<FileCall[]> {
  const folder = scene.folder(`${kind.which}-store`)
  const file = join(scene.dir, `${kind.which}-${synchronous}.trace`)
  const writer = scene.start({
    script: new URL('./store-writer.ts', import.meta.url),
    nodeArgs: ['--import', new URL('./sqlite-settings.ts', import.meta.url).href],
    args: [kind.which, folder],
    under: traced(file),
    env: { SOAK_WAL_PAGES: walPages, ...(synchronous === 'FULL' ? {} : { SOAK_SYNCHRONOUS: synchronous }) },
  })
  for (const command of synchronous === 'FULL' ? kind.commands : kind.controlCommands) {
    writer.send(command)
    await writer.line('done')
    writer.forget()
  }
  writer.end()
  const code = await writer.exitCode()
  mustHold(code === 0, 'the store process must end well:', code, writer.said)
  const calls = readTrace(file, folder)
  rmSync(file)
  return calls
}

/** Random moments, in order; every other one right after something was acknowledged. */
function* cuts(calls: readonly FileCall[], count: number, random: SimRandom) {
  const acks = calls.flatMap((call, index) => (isAck(call) ? [index + 1] : []))
  const moments = Array.from({ length: count }, (_, n) =>
    n % 2 === 0 ? random.pick(acks) : random.int(0, calls.length),
  ).sort((a, b) => a - b)
  const [first] = calls
  mustHold(first !== undefined && acks.length > 10, 'the trace must have been recorded:', calls.length, acks.length)
  const disk = new DiskModel(folderOf(calls))
  let acked = 0
  let at = 0
  for (const [n, moment] of moments.entries()) {
    for (; at < moment; at++) {
      const call = calls[at]
      if (call === undefined) break
      disk.replay(call)
      if (call.kind === 'said') acked = Math.max(acked, ...ackedIn(call.text))
    }
    yield { at, acked, disk, random: random.fork(String(n)) }
  }
}

const ackedIn = (text: string): number[] => [...text.matchAll(/^ack (\d+)$/gm)].map((match) => Number(match[1]))
const isAck = (call: FileCall): boolean => call.kind === 'said' && call.text.startsWith('ack ')

function folderOf(calls: readonly FileCall[]): string {
  for (const call of calls) if (call.kind !== 'said' && call.kind !== 'sync') return join(call.path, '..')
  throw new Error('nothing was written')
}

export const powerCut: Campaign = {
  name: 'power-cut',
  summary:
    'what a power cut may leave of the stores of the daemon and of a replica is opened, and nothing acknowledged is missing',
  unit: 'images of each store',
  counts: { short: 40, long: 1_000 },
  run,
}
