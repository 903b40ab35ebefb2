/** A compaction that is stopped at any step of it: the next start has the same block, and finishes it. */
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { openStorage, type Storage } from '../../daemon/storage/index.ts'
import { splice } from '../../plugin-sdk/memory/index.ts'
import { MooringError } from '../../protocol/index.ts'
import { alice, bob, daemonPerson } from '../fixtures/cast.ts'
import { actorOf, insert, textDoc } from '../fixtures/raw-replica.ts'
import { silentLog } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'
import { VerifiedWorld } from '../fixtures/verified-world.ts'

const notes = 'space:home/notes'
const edits = 10
/** Three transactions to remove the rows, and one that finds nothing left. */
const maxFoldRows = 4
const text = '0123456789'
const writes = ['putVerified', 'putSnapshot', 'fold'] as const

/** Ends at the `n`th write of a compaction, before or after the write took effect; takes nothing more from then on. */
function endingAt(inner: Storage, n: number, when: 'before' | 'after'): { storage: Storage; written: () => string[] } {
  const written: string[] = []
  const isOver = (): boolean => written.length >= n
  const end = (): never => {
    throw new MooringError('storage-failed')
  }
  const storage = new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        if (isOver() && name !== 'close') end()
        const isStep = (writes as readonly PropertyKey[]).includes(name)
        if (isStep) written.push(String(name))
        if (isStep && isOver() && when === 'before') end()
        const result: unknown = await Reflect.apply(value, target, args)
        return isStep && isOver() ? end() : result
      }
    },
  })
  return { storage, written: () => written }
}

const backends: Readonly<Record<string, () => { open: () => Promise<Storage> }>> = {
  memory: () => {
    let kept: Storage | undefined
    return {
      open: async () => {
        kept ??= await openStorage({ backend: 'memory', dir: '', log: silentLog, self: daemonPerson.peer })
        return new Proxy(kept, {
          // What the process ends with ends; the content is there for the next one.
          get: (target, name) => {
            const value: unknown = Reflect.get(target, name)
            if (name === 'close') return async () => {}
            return typeof value === 'function' ? value.bind(target) : value
          },
        })
      },
    }
  },
  sqlite: () => {
    const dir = tempDir()
    return { open: () => openStorage({ backend: 'sqlite', dir, log: silentLog, self: daemonPerson.peer }) }
  },
}

async function withEdits(store: Storage): Promise<VerifiedWorld> {
  const world = await VerifiedWorld.open(store, { maxFoldRows })
  const block = await world.block(notes)
  let doc = textDoc(actorOf(alice))
  const made: Uint8Array[] = []
  for (let n = 0; n < edits; n++) {
    const next = insert(doc, n, String(n))
    doc = next.doc
    made.push(next.bytes)
  }
  await world.inject(block.id, alice, ...made)
  await world.restart()
  return world
}

const rowsOf = async (world: VerifiedWorld): Promise<number> => {
  const until = await world.sync.storage.lastSeq()
  return (await world.sync.storage.readLog({ after: 0, until, maxBytes: 1e9 })).rows.length
}

describe.each(Object.keys(backends))('a compaction on %s', (name) => {
  // Verified, snapshot, three times rows, and the look that finds none left.
  const steps = ['putVerified', 'putSnapshot', 'fold', 'fold', 'fold', 'fold']
  const stops = steps.flatMap((step, index) => [
    [index + 1, 'before' as const, step] as const,
    [index + 1, 'after' as const, step] as const,
  ])

  it.each(stops)('stopped at its write %i, %s it took effect (%s), leaves the same block', async (n, when) => {
    const { open } = backends[name]?.() ?? { open: () => Promise.reject(new Error('no backend')) }
    const first = await withEdits(await open())
    const { heads } = first.row(notes)
    await first.close()

    const { storage, written } = endingAt(await open(), n, when)
    const stopped = await VerifiedWorld.open(storage, { maxFoldRows })
    await expect(stopped.compaction.compact(stopped.row(notes).id)).rejects.toMatchObject({ code: 'storage-failed' })
    expect(written()).toEqual(steps.slice(0, n))
    await stopped.close()

    const world = await VerifiedWorld.open(await open(), { maxFoldRows })
    onTestFinished(() => world.close())
    await world.sync.approve(bob, 'blocks:read:space:home/*')
    expect(world.row(notes)).toMatchObject({ heads, changes: edits })
    expect(await world.render(notes)).toBe(text)
    const reader = world.sync.plugin(bob)
    reader.connect()
    const block = reader.memory.open(notes, 'text')
    await vi.waitFor(() => expect(block.value.text).toBe(text), { timeout: 20_000, interval: 5 })

    await world.compaction.start()
    await world.compaction.compact(world.row(notes).id)
    expect(await rowsOf(world)).toBe(0)
    expect(world.row(notes)).toMatchObject({ heads, changes: edits, horizonSeq: edits + 1 })
    const writer = world.sync.plugin(alice)
    writer.connect()
    const second = writer.memory.open(notes, 'text')
    await vi.waitFor(() => expect(second.value.text).toBe(text), { timeout: 20_000, interval: 5 })
    second.change((doc) => splice(doc, ['text'], edits, 0, '!'))
    await second.flushed()
    expect(await world.render(notes)).toBe(`${text}!`)
  })
})
