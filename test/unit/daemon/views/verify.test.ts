import * as Automerge from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import type { ChangeRow } from '../../../../daemon/storage/storage.ts'
import type { ChangeHash } from '../../../../protocol/ids.ts'
import { BlockLog } from './block-log.ts'
import { bombLog } from './bomb-log.ts'
import { makeViews, realClock } from './world.ts'

const write = (text: string) => (root: { text: string }) => Automerge.splice(root, ['text'], root.text.length, 0, text)

function wellLog(): BlockLog {
  const log = new BlockLog('text')
  for (const text of ['one ', 'two ', 'three']) log.edit(write(text))
  return log
}

/** Bytes that no engine reads; each log row needs a hash of its own to be told apart. */
function spoil(log: BlockLog, at: number): ChangeRow {
  const row = log.rows[at]
  if (row === undefined) throw new Error('no such row')
  const spoilt = {
    ...row,
    hash: 'ab'.repeat(32) as ChangeHash,
    bytes: Uint8Array.of(0x85, 0x6f, 0x4a, 0x83, 1, 2, 3, 4),
  }
  log.rows.splice(at, 0, { ...spoilt, seq: row.seq })
  for (const [index, each] of log.rows.entries()) log.rows[index] = { ...each, seq: index + 2 }
  return spoilt
}

const all = (log: BlockLog) => ({ after: 0, until: log.seq, aside: [] })

describe('verifying a block', () => {
  it('gives its snapshot and finds nothing', async () => {
    const log = wellLog()
    const { views, threads } = makeViews([log])
    const { snapshot, findings } = await views.verify(log.row, all(log))
    expect(findings).toEqual([])
    expect(snapshot).toMatchObject({ seq: log.seq, changes: 3, heads: log.heads })
    expect(threads.started).toBe(1)
  })

  it.each([0, 1, 3])('finds the one change at %i that it cannot be made with, and gives the rest', async (at) => {
    const log = wellLog()
    log.append(
      Automerge.getLastLocalChange(Automerge.change(Automerge.clone(log.document), write('!'))) ?? new Uint8Array(),
    )
    const bad = spoil(log, at)
    const { views } = makeViews([log])
    const { snapshot, findings } = await views.verify(log.row, all(log))
    expect(findings).toMatchObject([{ hash: bad.hash, seq: at + 2, cause: undefined }])
    expect(findings[0]?.reason).toContain('change')
    expect(snapshot).toMatchObject({ seq: log.seq, changes: 4 })
    expect(Automerge.load<{ text: string }>(snapshot.bytes).text).toBe('one two three!')
  })

  it('finds several of one peer with one worker of their own, and stops when others have waited long enough', async () => {
    const log = wellLog()
    const hashes = Array.from({ length: 6 }, (_, index) => {
      const hash = `${index}d`.repeat(32) as ChangeHash
      log.append(Uint8Array.of(0x85, 0x6f, 0x4a, 0x83, 1, 2, 3, index))
      log.rows.splice(-1, 1, { ...(log.rows.at(-1) as ChangeRow), hash })
      return hash
    })
    const once = makeViews([log])
    const { findings } = await once.views.verify(log.row, all(log))
    expect(findings.map(({ hash }) => hash)).toEqual(hashes)
    expect(once.threads.started).toBe(3)

    let nowMs = 0
    const hasty = { ...realClock, monotonicMs: () => (nowMs += 20_000) }
    const { views } = makeViews([log], { clock: hasty })
    const first = await views.verify(log.row, all(log))
    expect(first.findings.map(({ hash }) => hash)).toEqual(hashes.slice(0, 1))
    expect(first.snapshot).toMatchObject({ seq: log.seq - 5, changes: 3 })
  })

  it('starts from what is verified and stored, where nothing is suspected', async () => {
    const log = wellLog()
    const { views } = makeViews([log])
    log.stored = await views.snapshot(log.row, log.seq)
    const verified = log.seq
    log.edit(write(' four'))
    const bad = spoil(log, 3)
    log.queries.length = 0
    const again = makeViews([log]).views
    const { findings } = await again.verify(log.row, { after: verified, until: log.seq, aside: [] })
    expect(findings.map(({ hash }) => hash)).toEqual([bad.hash])
    expect(log.queries.length).toBeGreaterThan(0)
    expect(log.queries.filter(({ after }) => after < verified)).toEqual([])
  })

  it('names nobody when what was verified cannot be made any more', async () => {
    const log = wellLog()
    spoil(log, 1)
    const { views } = makeViews([log])
    const verified = { after: log.seq - 1, until: log.seq, aside: [] }
    await expect(views.verify(log.row, verified)).rejects.toMatchObject({ code: 'view-failed' })
  })

  it('names nobody when it fails without any change', async () => {
    const log = wellLog()
    const entry = new URL('./poor-platform-worker.ts', import.meta.url)
    const { views } = makeViews([log], { entry })
    await expect(views.verify(log.row, all(log))).rejects.toMatchObject({
      code: 'view-failed',
      detail: expect.stringContaining('no such thing'),
    })
  })

  it('shows the block at once after what was found is forgotten', async () => {
    const log = wellLog()
    spoil(log, 1)
    const { views } = makeViews([log])
    await expect(views.render(log.row, log.seq)).rejects.toMatchObject({ code: 'view-failed' })
    const { findings } = await views.verify(log.row, all(log))
    log.rows.splice(
      log.rows.findIndex(({ hash }) => hash === findings[0]?.hash),
      1,
    )
    views.forget(log.row.id)
    expect((await views.render(log.row, log.seq)).text).toBe('one two three')
  })
})

// Many workers, each of which loads the engine: slow on a machine that does other things as well.
describe('what a change may cost', { timeout: 120_000 }, () => {
  it('is bounded in processor time', async () => {
    const log = bombLog(1, 300_000)
    const sliceLimit = { cpuMs: 300, growthBytes: 2 ** 40 }
    const { views } = makeViews([log], { clock: realClock, sliceLimit })
    const { findings, snapshot } = await views.verify(log.row, all(log))
    expect(findings).toMatchObject([{ seq: 2, reason: expect.stringContaining('processor time') }])
    expect(snapshot.changes).toBe(0)
  })

  it('is noticed in the middle of it, long before it would be over', async () => {
    // It never is: the memory of the engine would be full before, with another reason.
    const log = bombLog(1, 50_000_000)
    const sliceLimit = { cpuMs: 300, growthBytes: 2 ** 40 }
    const { views, threads } = makeViews([log], { clock: realClock, sliceLimit, jobTimeoutMs: 600_000 })
    const { findings, snapshot } = await views.verify(log.row, all(log))
    expect(findings).toMatchObject([{ seq: 2, reason: expect.stringContaining('processor time') }])
    expect(snapshot.changes).toBe(0)
    expect(threads.faults).toEqual(['broken'])
  })

  it('is bounded by the memory that the engine may have at all', async () => {
    const log = bombLog(1, 2_000_000)
    const sliceLimit = { cpuMs: 600_000, growthBytes: 2 ** 40 }
    const { views, threads } = makeViews([log], { clock: realClock, sliceLimit, memoryMb: 64 })
    const { findings } = await views.verify(log.row, all(log))
    expect(findings).toMatchObject([{ seq: 2, reason: expect.stringContaining('RuntimeError') }])
    expect(threads.faults).toEqual(['broken'])
  })

  it('is bounded in memory', async () => {
    const log = bombLog(1, 300_000)
    const sliceLimit = { cpuMs: 600_000, growthBytes: 16 * 1024 * 1024 }
    const { views } = makeViews([log], { clock: realClock, sliceLimit })
    const { findings } = await views.verify(log.row, all(log))
    expect(findings).toMatchObject([{ seq: 2, reason: expect.stringContaining('of memory') }])
  })

  it('is no fault of a change when only together they cost more', async () => {
    const log = new BlockLog('text')
    for (let n = 0; n < 8; n++) log.edit(write('x'.repeat(20_000)))
    // Less than all, more than one.
    const sliceLimit = { cpuMs: 600_000, growthBytes: 24 * 1024 * 1024 }
    const { views, threads } = makeViews([log], { clock: realClock, sliceLimit })
    const { findings, snapshot } = await views.verify(log.row, all(log))
    expect(findings).toEqual([])
    expect(snapshot.changes).toBe(8)
    expect(threads.faults.length).toBeGreaterThan(0)
  })

  it('is never counted in time on the clock', async () => {
    const bomb = bombLog(1, 5_000_000)
    const { views, threads } = makeViews([bomb], { clock: realClock, jobTimeoutMs: 1_000 })
    await expect(views.verify(bomb.row, all(bomb))).rejects.toMatchObject({ code: 'view-failed' })
    expect(threads.faults).toEqual(['late', 'late'])
  })
})
