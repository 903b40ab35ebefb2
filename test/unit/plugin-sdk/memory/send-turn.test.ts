/** When local changes leave. */
import { beforeEach, expect, it } from 'vitest'
import { SendTurn } from '../../../../plugin-sdk/memory/send-turn.ts'
import { ManualClock } from '../../../fixtures/clock.ts'

let clock: ManualClock
let sent: string[]
let isBusy: boolean
let turn: SendTurn<string>

beforeEach(() => {
  clock = new ManualClock()
  sent = []
  isBusy = false
  turn = new SendTurn({ clock, isBusy: () => isBusy, send: (item) => sent.push(item) })
})

it('sends once for all that happened in a turn', async () => {
  turn.add('a')
  turn.add('b')
  turn.add('a')
  expect(sent).toEqual([])
  await clock.advance(0)
  expect(sent).toEqual(['a', 'b'])
})

it('waits for the answer to what is on its way, and sends what came meanwhile', async () => {
  isBusy = true
  turn.add('a')
  await clock.advance(4)
  expect(sent).toEqual([])
  isBusy = false
  turn.answered()
  expect(sent).toEqual(['a'])
  expect(clock.pending).toEqual([])
})

it('waits no longer than a moment for an answer', async () => {
  isBusy = true
  turn.add('a')
  turn.answered()
  await clock.advance(5)
  expect(sent).toEqual(['a'])
})

it('forgets what was to be sent', async () => {
  turn.add('a')
  turn.clear()
  await clock.advance(10)
  expect(sent).toEqual([])
})
