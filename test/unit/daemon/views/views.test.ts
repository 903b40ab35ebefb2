import { createHash } from 'node:crypto'
import * as Automerge from '@automerge/automerge'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { schemaTable } from '../../../../protocol/schemas/index.ts'
import { ManualClock } from '../../../fixtures/clock.ts'
import { BlockLog, readerOf } from './block-log.ts'
import { makeViews } from './world.ts'

const write = (text: string) => (root: { text: string }) => Automerge.splice(root, ['text'], root.text.length, 0, text)

describe('rendering from the log', () => {
  it('shows a text', async () => {
    const log = new BlockLog('text')
    log.edit(write('hello'))
    log.edit(write(', größer 😀 world'))
    const { views } = makeViews([log])
    const text = 'hello, größer 😀 world'
    const textHash = createHash('sha256').update(text).digest('hex')
    expect(await views.render(log.row, log.seq)).toEqual({ text, textHash, heads: log.heads, problems: [] })
  })

  it('shows a map', async () => {
    const log = new BlockLog('map')
    log.edit(({ map }) => Object.assign(map, { b: 1, a: ['x', new Automerge.Counter(2)] }))
    log.edit(({ map }) => (map.a as [string, Automerge.Counter])[1].increment(3))
    const { views } = makeViews([log])
    const { text, heads } = await views.render(log.row, log.seq)
    expect(JSON.parse(text)).toEqual({ a: ['x', 5], b: 1 })
    expect(text.indexOf('"a"')).toBeLessThan(text.indexOf('"b"'))
    expect(heads).toEqual(log.heads)
  })

  it('shows what a plugin has put in and the schema does not say, and where that is', async () => {
    const log = new BlockLog('text')
    log.edit(write('still here'))
    log.edit((root) => Object.assign(root, { extra: { deep: 1 } }))
    const { views } = makeViews([log])
    expect(await views.render(log.row, log.seq)).toMatchObject({
      text: 'still here',
      problems: [{ path: 'extra', problem: 'is not in the schema' }],
    })
  })

  it('shows a block as its options say, and compares it with them', async () => {
    const log = new BlockLog('map')
    log.edit(({ map }) => Object.assign(map, { size: 'big' }))
    const { views } = makeViews([log])
    const fields = [
      { name: 'size', type: 'number' as const },
      { name: 'colour', type: 'text' as const, default: 'red' },
    ]
    const { text, problems } = await views.render({ ...log.row, meta: { options: { fields } } }, log.seq)
    expect(JSON.parse(text)).toEqual({ size: 'big', colour: 'red' })
    expect(problems).toEqual([{ path: 'map.size', problem: 'is a text and not a number' }])
  })

  it('shows a block without changes as its schema begins', async () => {
    const log = new BlockLog('text')
    const { views } = makeViews([log])
    expect(await views.render(log.row, log.seq)).toEqual({
      text: '',
      textHash: createHash('sha256').digest('hex'),
      heads: [schemaTable.text.initial.hash],
      problems: [],
    })
  })

  it('shows nothing behind the position asked for', async () => {
    const log = new BlockLog('text')
    log.edit(write('one'))
    const position = log.seq
    log.edit(write(' two'))
    const { views } = makeViews([log])
    expect((await views.render(log.row, position)).text).toBe('one')
    expect((await views.render(log.row, log.seq)).text).toBe('one two')
  })

  it('shows all concurrent heads', async () => {
    const log = new BlockLog('map')
    const bob = Automerge.change(Automerge.clone(log.document), ({ map }) => Object.assign(map, { bob: 1 }))
    log.edit(({ map }) => Object.assign(map, { alice: 1 }))
    log.append(Automerge.getLastLocalChange(bob) ?? new Uint8Array())
    const { views } = makeViews([log])
    const { text, heads } = await views.render(log.row, log.seq)
    expect(JSON.parse(text)).toEqual({ alice: 1, bob: 1 })
    expect(heads).toEqual([...log.heads, ...Automerge.getHeads(bob)].toSorted())
  })

  it('goes through a log of several slices and pages', async () => {
    const log = new BlockLog('text')
    log.pageRows = 900
    for (let n = 0; n < 5_500; n++) log.edit(write(String(n % 10)))
    const { views } = makeViews([log])
    expect((await views.render(log.row, log.seq)).text).toBe(log.document.text)
    expect(log.queries).toHaveLength(7)
  })

  it('reads only the tail when it is asked again', async () => {
    const log = new BlockLog('text')
    log.edit(write('a'))
    const { views } = makeViews([log])
    await views.render(log.row, log.seq)
    log.queries.length = 0
    const before = log.seq
    log.edit(write('b'))
    expect((await views.render(log.row, log.seq)).text).toBe('ab')
    expect(log.queries).toEqual([expect.objectContaining({ block: 1, after: before, until: log.seq })])
    expect(log.snapshotReads).toBe(1)
    await views.render(log.row, log.seq)
    expect(log.queries).toHaveLength(1)
  })

  it('holds the four blocks used last', async () => {
    const logs = [1, 2, 3, 4, 5].map((id) => new BlockLog('text', id))
    const { views } = makeViews(logs)
    for (const log of logs.slice(0, 4)) await views.render(log.row, log.seq)
    const [first, second, , , fifth] = logs
    if (first === undefined || second === undefined || fifth === undefined) throw new Error('five blocks')
    await views.render(first.row, first.seq)
    await views.render(fifth.row, fifth.seq)
    await views.render(first.row, first.seq)
    await views.render(second.row, second.seq)
    expect(logs.map(({ snapshotReads }) => snapshotReads)).toEqual([1, 2, 1, 1, 1])
  })

  it('refuses an unknown schema without starting a thread', async () => {
    const log = new BlockLog('text')
    const { views, threads } = makeViews([log])
    await expect(views.render({ ...log.row, schema: 'poem' }, 1)).rejects.toMatchObject({ code: 'unknown-schema' })
    await expect(views.snapshot({ ...log.row, schema: 'poem' }, 1)).rejects.toMatchObject({ code: 'unknown-schema' })
    expect(threads.started).toBe(0)
  })

  it('passes on why the log could not be read, and goes on', async () => {
    const log = new BlockLog('text')
    const reader = readerOf(log)
    const readLog = vi.fn(reader.readLog).mockRejectedValueOnce(new Error('the disk is gone'))
    const { views } = makeViews([log], { read: { ...reader, readLog } })
    log.edit(write('a'))
    await expect(views.render(log.row, log.seq)).rejects.toThrow('the disk is gone')
    expect((await views.render(log.row, log.seq)).text).toBe('a')
  })
})

describe('snapshots', () => {
  it('load as the whole document', async () => {
    const log = new BlockLog('text')
    log.edit(write('one'))
    log.edit(write(' two'))
    const { views } = makeViews([log])
    const snapshot = await views.snapshot(log.row, log.seq)
    expect(snapshot).toMatchObject({ block: 1, seq: log.seq, changes: 2, heads: log.heads })
    const loaded = Automerge.load<{ text: string }>(snapshot.bytes)
    expect(loaded.text).toBe('one two')
    expect(Automerge.getHeads(loaded)).toEqual(log.heads)
  })

  it('and their tail equal the full replay, wherever the cut is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('text' as const, 'map' as const),
        fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 12 }),
        fc.nat(12),
        async (schema, words, cut) => {
          const log = new BlockLog(schema)
          for (const word of words) {
            if (schema === 'text') log.edit(write(word))
            else log.edit(({ map }) => Object.assign(map, { [`key ${word.length}`]: word }))
          }
          const replayed = makeViews([log]).views
          const full = await replayed.render(log.row, log.seq)
          const cutSeq = Math.min(1 + cut, log.seq)
          const started = makeViews([log]).views
          log.stored = await started.snapshot(log.row, cutSeq)
          await started.stop()
          // What a snapshot holds may be gone from the log.
          log.rows.splice(0, log.rows.filter(({ seq }) => seq <= cutSeq).length)
          const resumed = makeViews([log]).views
          const until = Math.max(log.seq, cutSeq)
          expect(await resumed.render(log.row, until)).toEqual(full)
          expect((await resumed.snapshot(log.row, until)).changes).toBe(words.length)
          await Promise.all([replayed.stop(), resumed.stop()])
        },
      ),
      { numRuns: 6 },
    )
  }, 60_000)

  it('leave what they are made of as it was', async () => {
    const log = new BlockLog('text')
    log.edit(write('one'))
    const before = log.rows.map(({ bytes }) => Uint8Array.from(bytes))
    const first = makeViews([log]).views
    const stored = await first.snapshot(log.row, log.seq)
    log.stored = { ...stored, bytes: Buffer.from(stored.bytes) }
    await first.stop()
    const second = makeViews([log]).views
    await second.render(log.row, log.seq)
    expect(log.rows.map(({ bytes }) => Uint8Array.from(bytes))).toEqual(before)
    expect(Uint8Array.from(log.stored.bytes)).toEqual(stored.bytes)
    expect(schemaTable.text.initial.bytes.length).toBeGreaterThan(0)
  })
})

describe('the thread', () => {
  it('starts with the first job and ends when it was idle for long enough', async () => {
    const log = new BlockLog('text')
    const clock = new ManualClock()
    const { views, threads } = makeViews([log], { clock, idleMs: 1_000 })
    expect(threads).toMatchObject({ started: 0, ended: 0 })
    await views.render(log.row, log.seq)
    await clock.advance(999)
    expect(threads).toMatchObject({ started: 1, ended: 0 })
    await clock.advance(1)
    await vi.waitFor(() => expect(threads).toMatchObject({ started: 1, ended: 1 }), { timeout: 10_000 })
    expect((await views.render(log.row, log.seq)).text).toBe('')
    expect(threads).toMatchObject({ started: 2, ended: 1 })
    expect(log.snapshotReads).toBe(2)
  })

  it('stays while there is work', async () => {
    const log = new BlockLog('text')
    const clock = new ManualClock()
    const { views, threads } = makeViews([log], { clock, idleMs: 1_000 })
    for (let n = 0; n < 3; n++) {
      await views.render(log.row, log.seq)
      await clock.advance(900)
    }
    expect(threads).toMatchObject({ started: 1, ended: 0 })
  })

  it('is replaced after a job that left it too large', async () => {
    const log = new BlockLog('text')
    log.edit(write('x'.repeat(1_000)))
    const { views, threads } = makeViews([log], { memoryMb: 12 })
    expect((await views.render(log.row, log.seq)).text).toHaveLength(1_000)
    await vi.waitFor(() => expect(threads).toMatchObject({ started: 1, ended: 1 }), { timeout: 10_000 })
  })

  it('is shared by equal requests that come together', async () => {
    const log = new BlockLog('text')
    log.edit(write('a'))
    const { views } = makeViews([log])
    const [first, second, third] = await Promise.all([1, 2, 3].map(() => views.render(log.row, log.seq)))
    expect(first).toBe(second)
    expect(second).toBe(third)
    expect(log.queries).toHaveLength(1)
  })

  it('does the jobs in the order they came', async () => {
    const logs = [1, 2, 3].map((id) => new BlockLog('text', id))
    const { views } = makeViews(logs)
    const order: number[] = []
    await Promise.all(logs.map((log) => views.snapshot(log.row, log.seq).then(({ block }) => order.push(block))))
    expect(order).toEqual([1, 2, 3])
  })

  it('refuses a job when 256 are waiting', async () => {
    const log = new BlockLog('text')
    const { views } = makeViews([log])
    const jobs = Array.from({ length: 257 }, () => views.snapshot(log.row, log.seq))
    await expect(views.snapshot(log.row, log.seq)).rejects.toMatchObject({ code: 'view-failed', detail: 'queue full' })
    expect(new Set((await Promise.all(jobs)).map(({ seq }) => seq))).toEqual(new Set([log.seq]))
  })

  it('is gone after stop, and with it what was under way', async () => {
    const log = new BlockLog('text')
    log.edit(write('a'))
    const { views, threads } = makeViews([log])
    const jobs = [views.render(log.row, log.seq), views.snapshot(log.row, log.seq)]
    const settled = Promise.allSettled(jobs)
    await vi.waitFor(() => expect(threads.started).toBe(1), { timeout: 10_000 })
    await Promise.all([views.stop(), views.stop()])
    expect(threads).toMatchObject({ started: 1, ended: 1, faults: [] })
    for (const result of await settled) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'daemon-stopping' } })
    }
    await expect(views.render(log.row, log.seq)).rejects.toMatchObject({ code: 'daemon-stopping' })
    expect(threads.started).toBe(1)
  })
})
