/**
 * A disk that is full at one byte after another. Keeps: what is acknowledged is there, what is refused left nothing,
 * reading goes on, an urgent decision is written through the reserve, and everything goes on when there is space.
 */
import { SimRandom } from '../network/sim-random.ts'
import { type Campaign, type CampaignOptions, type Figures, mustHold } from './campaign.ts'
import type { Child } from './child.ts'
import { recoverDaemonStore } from './daemon-store.ts'
import { compileShim, FaultControl } from './fault-shim.ts'

const megabyte = 1024 * 1024
/** Calls between two full disks at most: a log that is longer from before is written over first. */
const maxCalls = 4_000
/** A new reserve is written at most once a second, so an urgent decision, which uses it up, costs a second. */
const revokeEvery = 8

async function run({ count, seed, scene }: CampaignOptions): Promise<Figures> {
  const library = compileShim(scene)
  const random = new SimRandom(seed)
  const folder = scene.folder('daemon')
  const control = new FaultControl(scene, library, folder)
  const writer = scene.start({
    script: new URL('./store-writer.ts', import.meta.url),
    args: ['daemon', folder],
    env: control.env,
  })
  await writer.line('open')
  let acked = 0
  let refused = 0
  let revoked = 0
  const answer = async (command: string): Promise<readonly string[]> => {
    writer.forget()
    writer.send(command)
    await writer.line('done')
    return writer.lines
  }
  const write = async (calls: number): Promise<boolean> => {
    const lines = await answer(`write ${calls}`)
    for (const line of lines) if (line.startsWith('ack ')) acked = Number(line.slice(4))
    const wrong = lines.filter((line) => line.startsWith('refused') && line !== 'refused storage-full')
    mustHold(wrong.length === 0, 'a full disk must be called a full disk:', wrong)
    return lines.some((line) => line.startsWith('refused'))
  }
  const mustRead = async (): Promise<void> => {
    const [line] = await answer('read')
    mustHold(line === `count ${acked}`, 'what was acknowledged, and nothing else, must be read:', line, acked)
  }
  for (let round = 0; round < count; round++) {
    control.boundSpace(random.int(0, random.pick([8, 96, 600]) * 1024))
    for (let calls = 0; !(await write(8)); calls += 8) {
      mustHold(calls < maxCalls, 'the disk must have been full:', control.read('space'), writer.said)
    }
    refused++
    await mustRead()
    if (round % revokeEvery === 0) {
      const [line] = await answer(`revoke ${1 + revoked}`)
      mustHold(line === 'revoked', 'a full disk must not keep an urgent decision from being written:', round, line)
      revoked++
      await mustRead()
    }
    control.boundSpace(8 * megabyte)
    await untilWritten(write)
    await mustRead()
  }
  control.heal()
  await endWell(writer)
  const found = await recoverDaemonStore(folder)
  mustHold(found === acked, 'the next start must find what was acknowledged:', found, acked)
  return { full: refused, revokedMeanwhile: revoked, acked }
}

/** The store looks for space again at most once a second. */
async function untilWritten(write: (calls: number) => Promise<boolean>): Promise<void> {
  for (let attempt = 0; await write(1); attempt++) {
    mustHold(attempt < 200, 'writing must go on when there is space')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function endWell(writer: Child): Promise<void> {
  writer.end()
  const code = await writer.exitCode()
  mustHold(code === 0, 'a full disk is no reason to end:', code, writer.said)
}

export const fullDisk: Campaign = {
  name: 'full-disk',
  summary:
    'the disk is full at one byte after another: whole calls are refused, reading and revoking go on, and all goes on with space',
  unit: 'full disks',
  counts: { short: 8, long: 200 },
  run,
}
