/** A long backlog against the rate of a peer: all of it arrives, and little of it is sent for nothing. */
import { expect, it, onTestFinished, vi } from 'vitest'
import { splice } from '../../plugin-sdk/memory/index.ts'
import { limits, parseAddress } from '../../protocol/index.ts'
import { decodeRun } from '../../protocol/sync/index.ts'
import { alice, bob, mallory } from '../fixtures/cast.ts'
import { assemble, takeApart } from '../fixtures/change-builder.ts'
import { ManualClock } from '../fixtures/clock.ts'
import { actorOf, insert, RawReplica, textDoc } from '../fixtures/raw-replica.ts'
import { SyncWorld } from '../fixtures/sync-world.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
/** Of the most that fits a frame each. */
const edits = 48

it('a long backlog is felt for after a refusal, and not sent as a whole each time', async () => {
  const clock = new ManualClock()
  const world = await SyncWorld.open(undefined, { clock })
  onTestFinished(() => world.close())
  await world.approve(alice, ...everything)
  const plugin = world.plugin(alice)
  const block = plugin.memory.open(notes, 'text')
  const text = 'x'.repeat(limits.maxOpsPerFrame - 1_000)
  for (let n = 0; n < edits; n++) block.change((doc) => splice(doc, ['text'], doc.text.length, 0, text))
  plugin.connect()
  const sent = (): number =>
    world.frames.reduce((sum, { from, frame }) => {
      return from === 'alice' && frame.run instanceof Uint8Array ? sum + decodeRun(frame.run).length : sum
    }, 0)
  const rests = (): number => world.frames.filter(({ to, frame }) => to === 'alice' && frame.t === 'refuse').length
  // Time passes for the daemon only when the plugin was refused: each time for as much as a few frames cost.
  let rounds = 0
  for (let seen = 0; block.pending > 0; seen = rests()) {
    await vi.waitFor(() => expect(rests() > seen || block.pending === 0).toBe(true), { timeout: 20_000, interval: 5 })
    rounds++
    await clock.advance(600)
  }
  await block.flushed()
  expect(world.log.index.at(block.address)?.changes).toBe(edits)
  // As a whole it would be all that is left at each refusal, half of the backlog on average.
  expect(rounds).toBeGreaterThan(8)
  expect((sent() - edits) / rounds).toBeLessThan(8)
})

it('gets through a change that takes several steps to look at, by waiting as long as it was told', async () => {
  const clock = new ManualClock()
  // What was folded away: the daemon has to ask for it, which is paid for beside the operations.
  const folded = Buffer.alloc(32, 7)
  const history = async () => new Map([[folded.toString('hex') as never, 1]])
  const world = await SyncWorld.open(undefined, { clock, history })
  onTestFinished(() => world.close())
  const blockState = world.storage.blockState.bind(world.storage)
  vi.spyOn(world.storage, 'blockState').mockImplementation(async (block) => {
    const state = await blockState(block)
    return { ...state, row: { ...state.row, horizonSeq: state.row.visibleSeq } }
  })
  for (const who of [alice, mallory]) {
    await world.approve(who, ...everything)
  }
  const begun = new RawReplica(world, mallory)
  await begun.begin(notes)
  const raw = new RawReplica(world, alice)
  await raw.begin(notes)
  const made = (text: string) => insert(textDoc(actorOf(alice)), 0, text).bytes
  const text = 'x'.repeat(limits.maxOpsPerFrame - 1_000)
  let sent = 0
  const submitted = async (bytes: Uint8Array) => {
    raw.submit([bytes])
    await raw.expect('ack')
    sent++
  }
  const counted = (): number => world.log.index.at(parseAddress(notes).address)?.changes ?? 0
  while (counted() === sent) await submitted(made(text))
  const before = counted()
  const building = assemble({ ...takeApart(made(text)), deps: [folded] })
  let rounds = 0
  while (counted() === before && rounds < 8) {
    const { retryAfterMs = 0 } = await raw.expect('refuse')
    await clock.advance(retryAfterMs)
    await submitted(building)
    rounds++
  }
  expect(counted()).toBe(before + 1)
  expect(rounds).toBe(1)
})

it('is for one replica of a plugin as for another that sends all the time', async () => {
  const clock = new ManualClock()
  const world = await SyncWorld.open(undefined, { clock })
  onTestFinished(() => world.close())
  await world.approve(alice, ...everything)
  const [greedy, quiet] = ['a', 'b'].map((digit) => new RawReplica(world, alice, digit.repeat(32) as never))
  if (greedy === undefined || quiet === undefined) throw new Error('there are two')
  for (const raw of [greedy, quiet]) await raw.begin(notes)
  let sent = 0
  const large = (): Promise<string> => {
    greedy.submit([insert(textDoc(actorOf(alice)), 0, 'x'.repeat(limits.maxOpsPerFrame - 1_000)).bytes])
    return greedy.outcome(++sent)
  }
  const small = (n: number): Promise<string> => {
    quiet.submit([insert(textDoc(actorOf(alice)), 0, 'x').bytes])
    return quiet.outcome(n)
  }
  while ((await large()) === 'ok') expect(sent).toBeLessThan(10)
  expect(await small(1)).toBe('rate-limited')
  // The first that was refused, and then it is the turn of the other, whatever is left.
  await clock.advance(1_000)
  expect(await large()).toBe('ok')
  expect(await large()).toBe('rate-limited')
  expect(await small(2)).toBe('ok')
  expect(await large()).toBe('ok')
})

it('a daemon that lost what is short to send and much to take in gets it back', async () => {
  const clock = new ManualClock()
  const [world, older] = [await SyncWorld.open(undefined, { clock }), await SyncWorld.open(undefined, { clock })]
  onTestFinished(async () => {
    for (const each of [world, older]) await each.close()
  })
  for (const each of [world, older]) {
    for (const person of [alice, bob]) await each.approve(person, ...everything)
  }
  const [a, b] = [world.plugin(alice), world.plugin(bob)]
  const end = a.connect()
  const leave = b.connect()
  const theirs = b.memory.open(notes, 'text')
  const mine = a.memory.open(notes, 'text')
  await mine.live()
  const pasted = 'x'.repeat(limits.maxOpsPerFrame - 1_000)
  const pastes = Math.ceil(limits.maxOpenOpsPerPeer / pasted.length) + 1
  for (let n = 0; n < 2 * pastes; n++) {
    if (n < pastes) mine.change((doc) => splice(doc, ['text'], doc.text.length, 0, pasted))
    else mine.change((doc) => splice(doc, ['text'], 0, pasted.length))
    await mine.flushed()
    await clock.advance(1_000)
  }
  mine.change((doc) => splice(doc, ['text'], 0, 0, 'end'))
  await mine.flushed()
  await vi.waitFor(() => expect(theirs.value.text).toBe('end'), 20_000)
  end()
  leave()
  b.connect(older)
  await vi.waitFor(
    async () => {
      await clock.advance(500)
      expect(older.log.index.at(mine.address)?.changes).toBe(2 * pastes + 1)
    },
    { timeout: 20_000 },
  )
})
