/**
 * Two people who type into one text at the same time, as recorded, each cut off from the other or killed at random moments
 * and back again. Keeps: both have the recorded text in the end, and nobody is sent what they made.
 */
import { createHash } from 'node:crypto'
import type { BlockAddress } from '../../protocol/index.ts'
import { SimRandom } from '../network/sim-random.ts'
import { type Campaign, type CampaignOptions, type Figures, mustHold } from './campaign.ts'
import type { Child } from './child.ts'
import type { Scene } from './scene.ts'
import { readSession, type Session } from './session-model.ts'
import { UdpProxy } from './udp-proxy.ts'
import { World } from './world.ts'

const address = 'space:soak/session' as BlockAddress
/** So that the long count meets the whole session. */
const editsPerPoint = 131
/** Every so many times a person is killed instead of cut off. */
const killEvery = 5
const doneMs = 900_000

interface Person {
  readonly n: 0 | 1
  readonly home: string
  readonly ticket: string
  readonly proxy: UdpProxy
  /** Own edits after which it goes offline. */
  readonly points: readonly number[]
  child: Child
  at: number
  isBlocked: boolean
}

async function run({ count, seed, scene }: CampaignOptions): Promise<Figures> {
  const random = new SimRandom(seed)
  const session = readSession(count * editsPerPoint)
  const world = new World(scene)
  await world.start()
  const target = await world.port()
  const tally = { cuts: 0, kills: 0, editsOffline: 0 }
  const edits = String(count * editsPerPoint)
  const points = pointsOf(session, count, random)
  const persons: Person[] = []
  for (const n of [0, 1] as const) {
    const proxy = await UdpProxy.open(scene, target, random.fork(`proxy ${n}`))
    const init = { n, home: scene.folder('typist'), ticket: await world.invite(proxy.port), proxy }
    const person = { ...init, points: points[n], at: 0, isBlocked: false, child: start(scene, init, edits) }
    listen(person)
    persons.push(person)
  }
  await Promise.all(
    persons.map((person) => comeAndGo({ person, random: random.fork(String(person.n)), scene, tally, edits })),
  )
  const wanted = createHash('sha256').update(session.endContent).digest('hex')
  for (const { child } of persons) await child.line('through', doneMs)
  for (const { child, n } of persons) {
    child.send('flush')
    const line = await child.line('flushed', doneMs)
    mustHold(line === `flushed ${wanted}`, 'both must have the recorded text:', n, line, wanted)
  }
  const shown = await textOf(world)
  mustHold(shown === session.endContent, 'the daemon must have the recorded text:', shown.length)
  return { edits: session.people[0].length + session.people[1].length, ...tally, echoed: 0 }
}

const start = (scene: Scene, { n, home, ticket }: Pick<Person, 'n' | 'home' | 'ticket'>, edits: string): Child =>
  scene.start({ script: new URL('./typist.ts', import.meta.url), args: [String(n), edits, home, ticket] })

function listen(person: Person): void {
  person.at = 0
  person.isBlocked = false
  person.child.onLine((line) => {
    const [word = '', number = '0'] = line.split(' ')
    if (word === 'at') person.at = Number(number)
    // Nothing more is to be expected from it while it is cut off.
    person.isBlocked = word === 'blocked' || word === 'through'
  })
}

/** Moments spread over the session, each of one person. */
function pointsOf({ people }: Session, count: number, random: SimRandom): readonly [number[], number[]] {
  const points: [number[], number[]] = [[], []]
  for (let n = 0; n < count; n++) {
    const person = random.pick([0, 1] as const)
    points[person].push(random.int(1, people[person].length - 1))
  }
  return [points[0].sort((a, b) => a - b), points[1].sort((a, b) => a - b)]
}

interface Going {
  readonly person: Person
  readonly random: SimRandom
  readonly scene: Scene
  readonly tally: { cuts: number; kills: number; editsOffline: number }
  readonly edits: string
}

async function comeAndGo({ person, random, scene, tally, edits }: Going): Promise<void> {
  for (const [index, point] of person.points.entries()) {
    await person.child.until(() => person.at >= point, `edit ${point} of person ${person.n}`, doneMs)
    mustNotEcho(person)
    if (index % killEvery === killEvery - 1) {
      await person.child.kill()
      tally.kills++
      person.child = start(scene, person, edits)
      listen(person)
      // Until it goes on: what it had sent and not stored comes back to it first.
      await person.child.line('at', doneMs)
      continue
    }
    const { at, proxy } = person
    proxy.cut()
    const enough = at + random.int(5, 120)
    await person.child.until(() => person.at >= enough || person.isBlocked, 'edits while cut off', doneMs)
    proxy.heal()
    tally.cuts++
    tally.editsOffline += person.at - at
  }
  await person.child.line('through', doneMs)
  mustNotEcho(person)
}

function mustNotEcho({ child, n }: Person): void {
  const echoed = child.lines.find((line) => line.startsWith('echoed'))
  mustHold(echoed === undefined, 'nobody may be sent what they made:', n, echoed)
}

async function textOf(world: World): Promise<string> {
  let text = ''
  for (;;) {
    const page = await world.control.block.show({ address, offset: text.length }, { timeoutMs: doneMs })
    text += page.text
    if (text.length >= page.totalChars) return text
  }
}

export const sessionCampaign: Campaign = {
  name: 'session',
  summary:
    'two people type a recorded session, are cut off or killed at random moments and come back: both have its text',
  unit: 'times offline',
  counts: { short: 4, long: 200 },
  run,
}
