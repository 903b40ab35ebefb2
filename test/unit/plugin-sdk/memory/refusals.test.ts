/** What a replica does about each code: what may pass undoes nothing, what is for good is kept aside. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type BlockHandle, splice } from '../../../../plugin-sdk/memory/index.ts'
import { type ErrorCode, errorTable } from '../../../../protocol/index.ts'
import { readChange } from '../../../../protocol/sync/index.ts'
import { ScriptedDaemon } from '../../../fixtures/scripted-daemon.ts'

const address = 'space:home/notes'

let daemon: ScriptedDaemon

beforeEach(() => {
  daemon = new ScriptedDaemon()
})

afterEach(async () => {
  await daemon.close()
})

/** Faults of the daemon, which may be mended, and a handle that is asked for again. */
const mendable: readonly ErrorCode[] = ['internal', 'database-corrupt', 'wrong-state', 'unknown-handle']
const codes = Object.keys(errorTable) as ErrorCode[]
const passing = codes.filter((code) => errorTable[code].retryable || mendable.includes(code))
const final = codes.filter((code) => !passing.includes(code) && code !== 'equivocation')

const write = (block: BlockHandle<'text'>, text: string): void =>
  block.change((doc) => splice(doc, ['text'], doc.text.length, 0, text))

async function opened(): Promise<BlockHandle<'text'>> {
  const block = daemon.memory.open(address, 'text')
  await daemon.clock.advance(0)
  return block
}

/** Whether an edit is settled by now, refused for good, or neither. */
async function outcomeOf(block: BlockHandle<'text'>): Promise<string> {
  let outcome = 'waits'
  void block.flushed().then(
    () => {
      outcome = 'settled'
    },
    (error) => {
      outcome = error.code
    },
  )
  await daemon.clock.advance(0)
  return outcome
}

describe.each(passing)('%s, which may pass', (code) => {
  it('undoes no edit, and it is sent again until it is taken', async () => {
    daemon.refuseChanges = { code }
    const block = await opened()
    write(block, 'a')
    await daemon.clock.advance(0)
    expect(await outcomeOf(block)).toBe('waits')
    expect(block).toMatchObject({ state: 'denied', pending: 1, refused: [] })
    expect(block.value.text).toBe('a')
    daemon.refuseChanges = undefined
    await daemon.clock.advance(60_000)
    expect(await outcomeOf(block)).toBe('settled')
    expect(block).toMatchObject({ state: 'live', pending: 0, refused: [] })
  })

  it('undoes no edit of a block that is not made yet, which is asked for again', async () => {
    daemon.refuseCreate = { code }
    const block = await opened()
    write(block, 'a')
    await daemon.clock.advance(0)
    expect(block).toMatchObject({ state: 'denied', pending: 1, refused: [] })
    daemon.refuseCreate = undefined
    await daemon.clock.advance(60_000)
    expect(await outcomeOf(block)).toBe('settled')
    expect(block).toMatchObject({ state: 'live', pending: 0, refused: [] })
  })
})

describe.each(final)('%s, which is for good', (code) => {
  it('takes the edit out, keeps it aside, and sends it no more', async () => {
    const block = await opened()
    write(block, 'a')
    await daemon.clock.advance(0)
    daemon.refuseChanges = { code }
    write(block, 'b')
    const waits = block.flushed().catch((error) => error.code)
    write(block, 'c')
    await daemon.clock.advance(0)
    expect(await waits).toBe(code)
    expect(block).toMatchObject({ state: 'denied', pending: 0, refused: [{ code }] })
    expect(block.refused[0]?.changes).toHaveLength(2)
    expect(block.value.text).toBe('a')
    const sent = daemon.deltas.length
    await daemon.clock.advance(120_000)
    expect(daemon.deltas).toHaveLength(sent)
  })

  it('keeps the edits of a block that is not made aside', async () => {
    daemon.refuseCreate = { code }
    const block = daemon.memory.open(address, 'text')
    write(block, 'a')
    const waits = block.flushed().catch((error) => error.code)
    await daemon.clock.advance(0)
    expect(await waits).toBe(code)
    if (code === 'generation-lost') {
      // Not the edits are refused but the block: it stays what it is, and another replica may bring it back.
      expect(block).toMatchObject({ state: 'gone', pending: 1, refused: [] })
      expect(block.value.text).toBe('a')
      return
    }
    const state = code === 'block-deleted' ? 'gone' : 'denied'
    expect(block).toMatchObject({ state, pending: 0, refused: [{ code }] })
    expect(block.value.text).toBe('')
  })
})

describe('a plugin that may not write for a while', () => {
  it('asks when it was told to, then less and less often', async () => {
    daemon.refuseChanges = { code: 'suspended', retryAfterMs: 10_000 }
    const block = await opened()
    write(block, 'a')
    await daemon.clock.advance(9_999)
    expect(daemon.deltas).toHaveLength(1)
    await daemon.clock.advance(1)
    expect(daemon.deltas).toHaveLength(2)
    expect(block.reason).toContain('will be sent again')
    daemon.refuseChanges = { code: 'rate-limited' }
    await daemon.clock.advance(10_000)
    const before = daemon.deltas.length
    await daemon.clock.advance(60_000)
    expect(daemon.deltas.length - before).toBeLessThan(8)
  })
})

describe('one actor with two stories', () => {
  it('is told again as one change of another actor, and the author is told', async () => {
    const block = await opened()
    write(block, 'settled ')
    await daemon.clock.advance(0)
    daemon.refuseChanges = { code: 'equivocation' }
    daemon.refusesOnce = true
    write(block, 'one ')
    write(block, 'two')
    const refused: unknown[] = []
    block.on('refused', (each) => refused.push(each))
    const flushed = block.flushed()
    // What follows a frame on its way may wait for the answer to that.
    await daemon.clock.advance(10)
    await flushed
    expect(block.value.text).toBe('settled one two')
    expect(block).toMatchObject({ pending: 0, refused: [{ code: 'equivocation' }] })
    expect(refused).toHaveLength(1)
    const [first, lost, again] = daemon.deltas.map((changes) => changes.map((bytes) => readChange(bytes)))
    expect(again).toHaveLength(1)
    expect(again?.[0]?.actor).not.toBe(lost?.[0]?.actor)
    expect(again?.[0]).toMatchObject({ seq: 1, deps: [first?.[0]?.hash] })
  })

  it('is not told a third time to a daemon that takes neither', async () => {
    const block = await opened()
    daemon.refuseChanges = { code: 'equivocation' }
    write(block, 'lost')
    await daemon.clock.advance(10)
    expect(daemon.deltas).toHaveLength(2)
    expect(block.value.text).toBe('')
    expect(block.refused).toHaveLength(2)
  })
})
