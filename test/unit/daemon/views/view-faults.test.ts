import * as Automerge from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../../fixtures/clock.ts'
import { poisons } from '../../../fixtures/poison-kinds.ts'
import { BlockLog } from './block-log.ts'
import { bombLog } from './bomb-log.ts'
import { makeViews, realClock } from './world.ts'

const entry = new URL('./crashing-worker.ts', import.meta.url)

function wellLog(id = 1): BlockLog {
  const log = new BlockLog('text', id)
  log.edit((root) => Automerge.splice(root, ['text'], 0, 0, 'well'))
  return log
}

/** A log whose last change no engine can read. */
function poisonedLog(id: number): BlockLog {
  const log = wellLog(id)
  log.append(Uint8Array.of(0x85, 0x6f, 0x4a, 0x83, 1, 2, 3, 4, 1, 5, 0, 0, 0, 0, 0))
  return log
}

describe('a block that the engine throws on', () => {
  it('fails with the reason, and the next block is served', async () => {
    const [bad, good] = [poisonedLog(1), wellLog(2)]
    const { views, threads } = makeViews([bad, good])
    const [failure, rendering] = await Promise.allSettled([
      views.render(bad.row, bad.seq),
      views.render(good.row, good.seq),
    ])
    expect(failure).toMatchObject({ status: 'rejected', reason: { code: 'view-failed' } })
    expect(failure).toHaveProperty('reason.detail', expect.stringContaining('change'))
    expect(rendering).toMatchObject({ status: 'fulfilled', value: { text: 'well' } })
    expect(threads).toMatchObject({ started: 1, faults: ['refused'] })
  })

  it('is tried again alone when the thread had served others', async () => {
    const [bad, good] = [poisonedLog(1), wellLog(2)]
    const { views, threads } = makeViews([bad, good])
    await views.render(good.row, good.seq)
    await expect(views.snapshot(bad.row, bad.seq)).rejects.toMatchObject({ code: 'view-failed' })
    expect(threads).toMatchObject({ started: 2, ended: 1, faults: ['refused', 'refused'] })
  })

  it('is refused at once for a minute, then tried again', async () => {
    const bad = poisonedLog(1)
    const clock = new ManualClock()
    const { views, threads } = makeViews([bad], { clock, idleMs: 600_000 })
    // Also what was already waiting.
    const [first, second] = await Promise.allSettled([views.snapshot(bad.row, bad.seq), views.render(bad.row, bad.seq)])
    expect(first).toMatchObject({ reason: { code: 'view-failed', retryAfterMs: undefined } })
    expect(second).toMatchObject({ reason: { code: 'view-failed', retryAfterMs: 60_000 } })
    expect(threads.faults).toEqual(['refused'])
    bad.rows.pop()
    await clock.advance(60_000)
    expect((await views.render(bad.row, bad.seq)).text).toBe('well')
    expect((await views.render(bad.row, bad.seq)).text).toBe('well')
  })

  it('is not shown without changes that are missing', async () => {
    const log = wellLog()
    log.edit((root) => Automerge.splice(root, ['text'], 0, 0, 'very '))
    log.rows.shift()
    const { views } = makeViews([log])
    await expect(views.render(log.row, log.seq)).rejects.toMatchObject({
      code: 'view-failed',
      detail: expect.stringContaining('missing'),
    })
  })

  it('is not shown when the engine cannot hand out what it was given', async () => {
    const bad = poisons.find(({ kind }) => kind === 'a predecessor that is the value of another key')
    const { honest, poison } = bad?.make('aa'.repeat(24), 'bb'.repeat(24)) ?? {}
    if (honest === undefined || poison === undefined) throw new Error('no such poison')
    const log = new BlockLog('map')
    log.append(honest)
    log.append(poison)
    const { views } = makeViews([log])
    await expect(views.render(log.row, log.seq)).rejects.toMatchObject({ code: 'view-failed' })
  })

  it('fails when its stored snapshot is damaged', async () => {
    const log = wellLog()
    const first = makeViews([log]).views
    const stored = await first.snapshot(log.row, log.seq)
    stored.bytes[stored.bytes.length >> 1] = (stored.bytes[stored.bytes.length >> 1] ?? 0) ^ 0x10
    log.stored = stored
    const { views } = makeViews([log])
    await expect(views.render(log.row, log.seq)).rejects.toMatchObject({ code: 'view-failed' })
  })
})

describe('a block whose work does not end', () => {
  it('is ended at its deadline, and the next block is served', async () => {
    const [bomb, good] = [bombLog(1, 5_000_000), wellLog(2)]
    expect(bomb.rows[0]?.bytes.length).toBeLessThan(200)
    const { views, threads } = makeViews([bomb, good], { clock: realClock, jobTimeoutMs: 1_500 })
    const [failure, rendering] = await Promise.allSettled([
      views.render(bomb.row, bomb.seq),
      views.render(good.row, good.seq),
    ])
    expect(failure).toMatchObject({ status: 'rejected', reason: { code: 'view-failed' } })
    expect(failure).toHaveProperty('reason.detail', 'no answer to "apply" within 1500 ms')
    expect(rendering).toMatchObject({ status: 'fulfilled', value: { text: 'well' } })
    expect(threads).toMatchObject({ started: 2, ended: 1, faults: ['late'] })
  }, 30_000)

  it('is what such a change is, only longer', async () => {
    const small = bombLog(1, 1_000)
    const { views } = makeViews([small])
    const { text } = await views.render(small.row, small.seq)
    expect(JSON.parse(text).list).toHaveLength(1_000)
  })
})

describe('a block that takes the thread with it', () => {
  it('fails, and the next block is served', async () => {
    const [fatal, good] = [wellLog(666), wellLog(2)]
    const { views, threads } = makeViews([fatal, good], { entry })
    const [failure, rendering] = await Promise.allSettled([
      views.render(fatal.row, fatal.seq),
      views.render(good.row, good.seq),
    ])
    expect(failure).toMatchObject({
      status: 'rejected',
      reason: { code: 'view-failed', detail: 'the view worker exited with 7' },
    })
    expect(rendering).toMatchObject({ status: 'fulfilled', value: { text: 'well' } })
    expect(threads).toMatchObject({ started: 2, ended: 1, faults: ['broken'] })
  })

  it('fails when it would take more memory than a thread may have', async () => {
    const [large, good] = [wellLog(668), wellLog(2)]
    const { views, threads } = makeViews([large, good], { entry, memoryMb: 48 })
    await expect(views.render(large.row, large.seq)).rejects.toMatchObject({
      code: 'view-failed',
      detail: expect.stringContaining('memory limit'),
    })
    expect((await views.render(good.row, good.seq)).text).toBe('well')
    expect(threads).toMatchObject({ started: 2, faults: ['broken'] })
  })

  it('is served alone when only what others left in the thread was to blame', async () => {
    const [victim, good] = [wellLog(667), wellLog(2)]
    const { views, threads } = makeViews([victim, good], { entry })
    await views.render(good.row, good.seq)
    expect((await views.render(victim.row, victim.seq)).text).toBe('well')
    expect(threads).toMatchObject({ started: 2, ended: 1, faults: ['broken'] })
  })
})

describe('a worker that cannot start', () => {
  it('fails the job and nothing else', async () => {
    const log = wellLog()
    const { views, threads } = makeViews([log], { entry: new URL('./no-such-worker.ts', import.meta.url) })
    await expect(views.render(log.row, log.seq)).rejects.toMatchObject({ code: 'view-failed' })
    await views.stop()
    expect(threads).toMatchObject({ started: 1, ended: 1 })
  })
})
