/** A long backlog against the rate of a peer: all of it arrives, and little of it is sent for nothing. */
import { expect, it, onTestFinished, vi } from 'vitest'
import { splice } from '../../plugin-sdk/memory/index.ts'
import { limits } from '../../protocol/index.ts'
import { decodeRun } from '../../protocol/sync/index.ts'
import { alice } from '../fixtures/cast.ts'
import { ManualClock } from '../fixtures/clock.ts'
import { SyncWorld } from '../fixtures/sync-world.ts'

const notes = 'space:home/notes'
/** Of the most that fits a frame each. */
const edits = 48

it('a long backlog is felt for after a refusal, and not sent as a whole each time', async () => {
  const clock = new ManualClock()
  const world = await SyncWorld.open(undefined, { clock })
  onTestFinished(() => world.close())
  await world.approve(alice, ...['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`))
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
