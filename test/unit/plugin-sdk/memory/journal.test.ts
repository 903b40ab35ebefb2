/** What is handed to a store: in which order, in which batches, and what is said when it refuses. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Journal } from '../../../../plugin-sdk/memory/journal.ts'
import type { ReplicaStore, StoreWrite } from '../../../../plugin-sdk/memory/store.ts'
import { type BlockAddress, MooringError, type ReplicaId } from '../../../../protocol/index.ts'
import { ManualClock, settled } from '../../../fixtures/clock.ts'

const notes = 'space:home/notes' as BlockAddress
const other = 'space:home/other' as BlockAddress

/** A store whose writes end when the test says so. */
class SlowStore implements ReplicaStore {
  readonly state = {
    replica: 'a'.repeat(32) as ReplicaId,
    welcome: undefined,
    cursor: undefined,
    seen: 0,
    patterns: [],
    blocks: [],
    own: [],
    nextPosition: 7,
  }
  readonly batches: (readonly StoreWrite[])[] = []
  readonly #pending: { resolve(): void; reject(error: Error): void }[] = []
  isClosed = false

  write(writes: readonly StoreWrite[]): Promise<void> {
    this.batches.push(writes)
    return new Promise((resolve, reject) => this.#pending.push({ resolve, reject }))
  }

  async read(): Promise<never> {
    throw new Error('nothing is read here')
  }

  async close(): Promise<void> {
    this.isClosed = true
  }

  async commit(error?: Error): Promise<void> {
    const pending = this.#pending.shift()
    if (error === undefined) pending?.resolve()
    else pending?.reject(error)
    await settled()
  }
}

function world() {
  const store = new SlowStore()
  const clock = new ManualClock()
  const troubles: string[] = []
  const journal = new Journal({ store, clock, onTrouble: (error) => troubles.push(error.code) })
  const change = (byte: number, address = notes, isUnsettled = true) =>
    journal.addChange({
      address,
      isUnsettled,
      position: journal.nextPosition(),
      bytes: Uint8Array.of(byte),
      own: undefined,
    })
  return { store, clock, troubles, journal, change }
}

/** What became of a promise so far. */
function watch(work: Promise<void>): { state: string } {
  const seen = { state: 'open' }
  work.then(
    () => {
      seen.state = 'saved'
    },
    (error) => {
      seen.state = error instanceof MooringError ? error.code : 'broken'
    },
  )
  return seen
}

describe('a journal', () => {
  it('writes the changes of one turn at once, and calls them saved when they are', async () => {
    const { store, journal, change } = world()
    change(1)
    change(2)
    const saved = watch(journal.saved())
    await settled()
    expect(store.batches).toEqual([
      [
        {
          kind: 'changes',
          address: notes,
          isUnsettled: true,
          position: 7,
          chunks: Uint8Array.of(1, 2),
          lengths: [1, 1],
          own: undefined,
          tips: [],
          seen: 0,
        },
      ],
    ])
    expect(saved.state).toBe('open')
    await store.commit()
    expect(saved.state).toBe('saved')
  })

  it('makes one transaction of all that came while the last one ran', async () => {
    const { store, journal, change } = world()
    change(1)
    await settled()
    change(2)
    await settled()
    change(3)
    const saved = watch(journal.saved())
    await settled()
    expect(store.batches).toHaveLength(1)
    await store.commit()
    expect(store.batches).toHaveLength(2)
    expect(saved.state).toBe('open')
    await store.commit()
    expect(saved.state).toBe('saved')
  })

  it('lets what may be lost go along with the next write', async () => {
    const { store, journal, change } = world()
    journal.addLazily({ kind: 'settled', address: notes, from: 1, to: 2 })
    await settled()
    expect(store.batches).toEqual([])
    change(1)
    await settled()
    expect(store.batches[0]?.map(({ kind }) => kind)).toEqual(['settled', 'changes'])
  })

  it('lets what the daemon has as well wait for a moment, unless somebody waits for it or for what follows', async () => {
    const { store, clock, journal, change } = world()
    change(1, notes, false)
    journal.add({ kind: 'cursor', cursor: Uint8Array.of(1) })
    await clock.advance(199)
    expect(store.batches).toEqual([])
    await clock.advance(1)
    expect(store.batches[0]?.map(({ kind }) => kind)).toEqual(['changes', 'cursor'])
    // What came during a transaction waits as well.
    change(2, notes, false)
    await store.commit()
    expect(store.batches).toHaveLength(1)
    await clock.advance(200)
    expect(store.batches).toHaveLength(2)
    await store.commit()
    change(3, notes, false)
    const saved = watch(journal.saved())
    await settled()
    await store.commit()
    expect(saved.state).toBe('saved')
    change(4, notes, false)
    change(5)
    await settled()
    expect(store.batches[3]).toHaveLength(2)
    await store.commit()
    expect(clock.pending).toEqual([])
  })

  it('writes the blocks that are opened one after another at once', async () => {
    const { store, clock, journal } = world()
    for (const name of ['a', 'b', 'c']) {
      const address = `space:home/${name}` as BlockAddress
      journal.add({ kind: 'block', address, schema: 'text', generation: undefined })
      journal.add({ kind: 'snapshot', address, bytes: Uint8Array.of(1), changes: 1 })
      journal.add({ kind: 'tips', address, tips: [] })
      await clock.advance(10)
    }
    expect(store.batches).toHaveLength(0)
    await clock.advance(200)
    expect(store.batches.map((batch) => batch.length)).toEqual([9])
  })

  it('does not let too much of it wait', async () => {
    const { store, change } = world()
    for (let n = 0; n < 1_000; n++) change(1, notes, false)
    await settled()
    expect(store.batches).toHaveLength(1)
  })

  it('keeps the order of everything, whatever is made one write', async () => {
    const item = fc.record({ kind: fc.constantFrom('mine', 'theirs', 'cursor'), isOther: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(item, { maxLength: 40 }), async (items) => {
        const { store, journal, change } = world()
        const wanted: string[] = []
        for (const [n, { kind, isOther }] of items.entries()) {
          const address = isOther ? other : notes
          if (kind === 'cursor') journal.add({ kind: 'cursor', cursor: Uint8Array.of(n) })
          else change(n, address, kind === 'mine')
          wanted.push(kind === 'cursor' ? `cursor ${n}` : `${address} ${kind} ${n}`)
        }
        void journal.saved()
        await settled()
        const got = (store.batches[0] ?? []).flatMap((write) => {
          if (write.kind === 'cursor') return [`cursor ${write.cursor[0]}`]
          if (write.kind !== 'changes') return []
          const kind = write.isUnsettled ? 'mine' : 'theirs'
          return [...write.chunks].map((byte) => `${write.address} ${kind} ${byte}`)
        })
        expect(got).toEqual(wanted)
      }),
      { numRuns: 100 },
    )
  })
})

describe('a store that is full', () => {
  it('is told of, refuses what waits, is tried again, and then has everything in order', async () => {
    const { store, clock, troubles, journal, change } = world()
    change(1)
    const saved = watch(journal.saved())
    await settled()
    await store.commit(new MooringError('storage-full'))
    expect(saved.state).toBe('storage-full')
    expect(troubles).toEqual(['storage-full'])
    change(2)
    const later = watch(journal.saved())
    await settled()
    expect(store.batches).toHaveLength(1)
    await clock.advance(500)
    await store.commit()
    await store.commit()
    expect(later.state).toBe('saved')
    const written = store.batches.slice(1).flat()
    expect(written.map((write) => (write.kind === 'changes' ? [...write.chunks] : []))).toEqual([[1], [2]])
    expect(troubles).toHaveLength(1)
  })
})

describe('a store that broke', () => {
  it('takes nothing any more, and nothing is called saved', async () => {
    const { store, journal, change } = world()
    change(1)
    const saved = watch(journal.saved())
    await settled()
    await store.commit(new MooringError('storage-failed'))
    expect(saved.state).toBe('storage-failed')
    change(2)
    const after = watch(journal.saved())
    await settled()
    expect(after.state).toBe('storage-failed')
    expect(store.batches).toHaveLength(1)
  })
})

it('closes once, after what was added', async () => {
  const { store, journal, change } = world()
  change(1)
  const closing = Promise.all([journal.close(), journal.close()])
  await settled()
  expect(store.isClosed).toBe(false)
  await store.commit()
  await closing
  expect(store.isClosed).toBe(true)
})
