/**
 * A disk that fails to sync: at one commit after another of a run, once or from then on. Keeps: after the failure nothing
 * is acknowledged, also when the next sync would succeed; the store of the daemon ends its process with a failure; the next
 * start finds everything that was acknowledged.
 */
import { errorTable } from '../../protocol/errors.ts'
import { SimRandom } from '../network/sim-random.ts'
import { type Campaign, type CampaignOptions, type Figures, mustHold } from './campaign.ts'
import type { Child } from './child.ts'
import { recoverDaemonStore } from './daemon-store.ts'
import { compileShim, FaultControl } from './fault-shim.ts'
import { recoverReplicaStore } from './replica-store.ts'
import type { Scene } from './scene.ts'

/** Commits of a run. */
const commits = 200
/** Calls after the one that fails: none of them may be acknowledged. */
const callsAfter = 6
/** The log is folded back so often that the database is synced many times in a run, too. */
const walPages = '16'
const ways = ['one sync', 'every sync'] as const
const targets = ['log', 'database'] as const

const stores = {
  daemon: { recover: recoverDaemonStore, exitCode: errorTable['storage-failed'].exit },
  // A plugin goes on without its store: what is saved is refused, and its process is its author's.
  replica: { recover: recoverReplicaStore, exitCode: 0 },
} as const

interface Fault {
  readonly which: keyof typeof stores
  readonly way: (typeof ways)[number]
  readonly target: (typeof targets)[number]
  /** Syncs of the target before it. */
  readonly after: number
}

const writerOf = (scene: Scene, which: string, folder: string, env: Readonly<Record<string, string>>): Child =>
  scene.start({ script: new URL('./store-writer.ts', import.meta.url), args: [which, folder], env })

async function run({ count, seed, scene }: CampaignOptions): Promise<Figures> {
  const library = compileShim(scene)
  const random = new SimRandom(seed)
  const figures = { faults: count, acked: 0, foundUnacked: 0, whileFoldingBack: 0 }
  // Every commit in turn when there are enough of them, else commits spread over the run.
  const faults = Array.from({ length: count }, (_, n): Fault => {
    const target = targets[Math.floor(n / 4) % 2] ?? 'log'
    const after = count >= commits ? n % commits : random.int(0, commits - 1)
    return {
      which: n % 4 === 3 ? 'replica' : 'daemon',
      way: ways[Math.floor(n / 2) % 2] ?? 'one sync',
      target,
      // The database is synced once for several commits.
      after: target === 'log' ? after : after % 8,
    }
  })
  for (const fault of faults) {
    const { last, found } = await failAt(scene, library, fault)
    figures.acked += last
    if (found > last) figures.foundUnacked++
    if (fault.target === 'database') figures.whileFoldingBack++
  }
  return figures
}

interface Outcome {
  /** What was acknowledged last. */
  readonly last: number
  readonly found: number
}

async function failAt(scene: Scene, library: string, fault: Fault): Promise<Outcome> {
  const { which, way, target, after } = fault
  const folder = scene.folder(which)
  const control = new FaultControl(scene, library, folder)
  const writer = writerOf(scene, which, folder, { ...control.env, SOAK_WAL_PAGES: walPages })
  await writer.line('open')
  control.failSync(way, target, after)
  writer.send(`write ${commits + callsAfter}`)
  writer.end()
  const code = await writer.exitCode()
  mustHold(control.read('failed') > 0, 'a sync must have failed:', fault, writer.said)
  mustHold(code === stores[which].exitCode, 'the process must end as it should:', fault, code, writer.said)
  const answers = writer.lines.filter((line) => /^(?:ack|refused) /.test(line))
  const firstRefused = answers.findIndex((line) => line.startsWith('refused'))
  mustHold(firstRefused >= 0, 'a call must have been refused:', fault, answers)
  mustHold(
    answers.slice(firstRefused).every((line) => line === 'refused storage-failed'),
    'nothing may be acknowledged after a failure:',
    fault,
    answers.slice(firstRefused),
  )
  const last = Number(answers[firstRefused - 1]?.split(' ')[1] ?? 0)
  const found = await stores[which].recover(folder, false)
  mustHold(found >= last, 'what was acknowledged must be found at the next start:', fault, found, last)
  return { last, found }
}

export const syncFailure: Campaign = {
  name: 'sync-failure',
  summary:
    'a sync fails at one commit after another: nothing is acknowledged after it, and the next start has all that was',
  unit: 'failures',
  counts: { short: 8, long: 400 },
  run,
}
