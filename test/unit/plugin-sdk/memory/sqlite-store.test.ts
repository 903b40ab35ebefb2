/** The store of a replica: what it gives back after it was closed, killed, copied, damaged or full. */
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as A from '@automerge/automerge'
import Database from 'better-sqlite3'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { openSqliteStore, prepareSqliteStore } from '../../../../plugin-sdk/memory/sqlite-store.ts'
import type { ReplicaStore, StoreInit, StoreWrite } from '../../../../plugin-sdk/memory/store.ts'
import {
  type ActorId,
  type BlockAddress,
  type ChangeHash,
  type ReplicaId,
  schemaNamed,
} from '../../../../protocol/index.ts'
import { bob, daemonPerson } from '../../../fixtures/cast.ts'
import { tempDir } from '../../../fixtures/temp-dir.ts'

const notes = 'space:home/notes' as BlockAddress
const other = 'space:home/other' as BlockAddress
const replicaOf = (digit: string) => digit.repeat(32) as ReplicaId

async function open(path: string, options: Partial<StoreInit> = {}): Promise<ReplicaStore> {
  const store = await openSqliteStore({ path, daemon: daemonPerson.peer, replica: replicaOf('a'), ...options })
  onTestFinished(() => store.close())
  return store
}

const block = (address: BlockAddress, generation?: number): StoreWrite => ({
  kind: 'block',
  address,
  schema: 'text',
  generation,
})

/** Edits of the schema `text`, each a change that appends. */
function edits(texts: readonly string[], actor = 'ab'.repeat(24)): Uint8Array[] {
  let doc = A.load<{ text: string }>(schemaNamed('text').initial.bytes, { actor })
  let length = 0
  for (const text of texts) {
    doc = A.change(doc, (draft) => A.splice(draft, ['text'], length, 0, text))
    length += text.length
  }
  return A.getAllChanges(doc).slice(1)
}

function changes(
  address: BlockAddress,
  position: number,
  chunks: readonly Uint8Array[],
  isUnsettled = true,
): StoreWrite {
  return {
    kind: 'changes',
    address,
    isUnsettled,
    position,
    chunks: Buffer.concat(chunks),
    lengths: chunks.map(({ byteLength }) => byteLength),
    own: isUnsettled
      ? { actor: 'ab'.repeat(24) as ActorId, seq: position, hash: 'cd'.repeat(32) as ChangeHash }
      : undefined,
    tips: [],
    seen: 0,
  }
}

const textOf = async (store: ReplicaStore, address = notes): Promise<string> => {
  const { snapshot, changes: rows } = await store.read(address)
  const base = A.load<{ text: string }>(snapshot ?? schemaNamed('text').initial.bytes)
  return A.applyChanges(
    base,
    rows.map(({ bytes }) => bytes),
  )[0].text
}

describe('a new store', () => {
  it('is empty, under the replica id that it was given, readable by its owner alone', async () => {
    const path = join(tempDir(), 'replica', 'x.db')
    const { state } = await open(path)
    expect(state).toEqual({
      replica: replicaOf('a'),
      welcome: undefined,
      cursor: undefined,
      patterns: [],
      blocks: [],
      own: [],
      seen: 0,
      nextPosition: 1,
    })
    expect(statSync(join(path, '..')).mode & 0o077).toBe(0)
  })
})

describe('the write-ahead log', () => {
  it('stays short while it is written to, and is emptied afterwards', async () => {
    const path = join(tempDir(), 'x.db')
    const store = await open(path, { walPages: 20 })
    const wal = (): number => statSync(`${path}-wal`).size
    const [made] = edits(['x'])
    if (made === undefined) throw new Error('no edit')
    await store.write([block(notes, 1)])
    const sizes: number[] = []
    for (let position = 1; position < 300; position++) {
      await store.write([changes(notes, position, [made])])
      sizes.push(wal())
    }
    // A thousand pages were written.
    expect(Math.max(...sizes)).toBeLessThan(60 * 4_120)
    await vi.waitFor(() => expect(wal()).toBe(0), { timeout: 10_000, interval: 50 })
  })
})

describe('what was written', () => {
  it('is there after it was closed and opened again, in order', async () => {
    const path = join(tempDir(), 'x.db')
    const first = await open(path)
    const made = edits(['one ', 'two ', 'three'])
    const welcome = { name: 'notes', grants: ['blocks:read:space:home/*'], grantVersion: 3 }
    await first.write([
      { kind: 'welcome', welcome },
      block(notes, 1),
      changes(notes, 1, made.slice(0, 2), false),
      { kind: 'cursor', cursor: Uint8Array.of(1, 2, 3) },
      changes(notes, 3, made.slice(2)),
    ])
    await first.close()
    const { state } = await open(path, { replica: replicaOf('b') })
    expect(state).toEqual({
      replica: replicaOf('a'),
      welcome,
      cursor: Uint8Array.of(1, 2, 3),
      patterns: [],
      blocks: [{ address: notes, schema: 'text', generation: 1, gone: undefined, hasUnsettled: true }],
      own: [{ address: notes, generation: 1, actor: 'ab'.repeat(24), seq: 3, hash: 'cd'.repeat(32) }],
      seen: 0,
      nextPosition: 4,
    })
  })

  it('gives each block its own changes', async () => {
    const store = await open(join(tempDir(), 'x.db'))
    await store.write([
      block(notes),
      block(other),
      changes(notes, 1, edits(['mine'])),
      changes(other, 2, edits(['yours'])),
    ])
    expect(await textOf(store, notes)).toBe('mine')
    expect(await textOf(store, other)).toBe('yours')
    expect(await store.read('space:home/none' as BlockAddress)).toEqual({
      snapshot: undefined,
      changes: [],
      own: [],
      tips: [],
      aside: [],
    })
  })

  it('is all or nothing: a batch with a mistake in it leaves nothing behind', async () => {
    const path = join(tempDir(), 'x.db')
    const store = await open(path)
    await store.write([block(notes), changes(notes, 1, edits(['a']))])
    const clash = [{ kind: 'cursor', cursor: Uint8Array.of(9) } as const, changes(notes, 1, edits(['b']))]
    await expect(store.write(clash)).rejects.toMatchObject({ code: 'storage-failed' })
    // From here on nothing can be promised.
    await expect(store.write([block(other)])).rejects.toMatchObject({ code: 'storage-failed' })
    await store.close()
    const again = await open(path)
    expect(again.state.cursor).toBeUndefined()
    expect(await textOf(again)).toBe('a')
  })

  it('marks what is settled, and sets aside what is refused without losing it', async () => {
    const path = join(tempDir(), 'x.db')
    const store = await open(path)
    const made = edits(['a', 'b', 'c'])
    const own = [{ actor: 'ab'.repeat(24) as ActorId, seq: 1, hash: 'cd'.repeat(32) as ChangeHash }]
    await store.write([block(notes, 1), changes(notes, 3, made)])
    await store.write([
      { kind: 'settled', address: notes, from: 3, to: 3 },
      { kind: 'aside', address: notes, from: 4, code: 'grant-missing', detail: 'why', own },
    ])
    await store.close()
    const again = await open(path)
    const content = await again.read(notes)
    expect(content.changes.map(({ position, isUnsettled }) => [position, isUnsettled])).toEqual([[3, false]])
    // What is set aside is not said to be held any more.
    expect(content.own).toEqual(own)
    expect(content.aside).toEqual([
      { id: 4, code: 'grant-missing', detail: 'why', changes: made.slice(1).map((bytes) => new Uint8Array(bytes)) },
    ])
    expect(again.state.blocks).toMatchObject([{ hasUnsettled: false }])
    // Positions are never used again, also not those of what was set aside.
    expect(again.state.nextPosition).toBe(6)
  })

  it('begins a block again for another generation', async () => {
    const store = await open(join(tempDir(), 'x.db'))
    await store.write([block(notes, 1), changes(notes, 1, edits(['dead']), false)])
    await store.write([{ kind: 'reset', address: notes, aside: undefined }, block(notes, 2)])
    expect(await textOf(store)).toBe('')
    expect((await store.read(notes)).own).toEqual([])
  })
})

describe('folding', () => {
  it('replaces settled changes by a snapshot that holds them, and keeps what is unsettled', async () => {
    const path = join(tempDir(), 'x.db')
    const store = await open(path)
    const many = edits(Array.from({ length: 12_000 }, (_, n) => String(n % 10)))
    await store.write([block(notes, 1), changes(notes, 1, many.slice(0, 11_000), false)])
    await store.write([changes(notes, 11_001, many.slice(11_000))])
    await vi.waitFor(async () => expect((await store.read(notes)).snapshot).toBeDefined(), { timeout: 20_000 })
    const { changes: rows } = await store.read(notes)
    expect(rows).toHaveLength(1_000)
    expect(rows.every(({ isUnsettled }) => isUnsettled)).toBe(true)
    expect(await textOf(store)).toHaveLength(12_000)
    await store.close()
    expect(await textOf(await open(path))).toHaveLength(12_000)
  }, 40_000)

  it('keeps what is settled while it folds what was settled before', async () => {
    const store = await open(join(tempDir(), 'x.db'), { foldBusyAt: 10_000 })
    const mine = edits(['mine'], 'ef'.repeat(24))
    const many = edits(Array.from({ length: 10_000 }, () => 'x'))
    const writes = [
      // An edit of its own that the daemon has not answered yet, and what came from others after it.
      store.write([block(notes, 1), changes(notes, 1, mine), changes(notes, 2, many, false)]),
      store.write([{ kind: 'settled', address: notes, from: 1, to: 1 }]),
    ]
    await Promise.all(writes)
    await vi.waitFor(async () => expect((await store.read(notes)).snapshot).toBeDefined(), { timeout: 20_000 })
    const { changes: rows } = await store.read(notes)
    expect(rows.map(({ position, isUnsettled }) => ({ position, isUnsettled }))).toEqual([
      { position: 1, isUnsettled: false },
    ])
    expect(await textOf(store)).toContain('mine')
  }, 40_000)

  it('does not bring back a generation that ended meanwhile', async () => {
    const store = await open(join(tempDir(), 'x.db'), { foldBusyAt: 10_000 })
    const many = edits(Array.from({ length: 10_000 }, () => 'x'))
    await store.write([block(notes, 1), block(other, 1), changes(notes, 1, many, false)])
    await store.write([{ kind: 'reset', address: notes, aside: undefined }, block(notes, 2)])
    // One is folded at a time: when this one is, the first was.
    await store.write([changes(other, 10_001, many, false)])
    await vi.waitFor(async () => expect((await store.read(other)).snapshot).toBeDefined(), { timeout: 20_000 })
    expect(await store.read(notes)).toMatchObject({ snapshot: undefined, changes: [] })
  }, 40_000)

  it('leaves every change where it was when one of them cannot be applied', async () => {
    const path = join(tempDir(), 'x.db')
    const warnings: string[] = []
    const init = { path, daemon: daemonPerson.peer, replica: replicaOf('a') }
    const store = await openSqliteStore(init, (error) => warnings.push(error.code))
    onTestFinished(() => store.close())
    // Without its first change, everything else waits for ever.
    const many = edits(Array.from({ length: 10_501 }, () => 'x')).slice(1)
    await store.write([block(notes, 1), changes(notes, 1, many, false)])
    await vi.waitFor(() => expect(warnings).toHaveLength(1), { timeout: 20_000 })
    const { snapshot, changes: rows } = await store.read(notes)
    expect(snapshot).toBeUndefined()
    expect(rows).toHaveLength(10_500)
  }, 40_000)
})

describe('a file', () => {
  it('is one process at a time', async () => {
    const path = join(tempDir(), 'x.db')
    const first = await open(path)
    await expect(open(path)).rejects.toMatchObject({ code: 'replica-in-use' })
    await first.close()
    expect((await open(path)).state.replica).toBe(replicaOf('a'))
  })

  it('takes another replica id when it was copied, and keeps everything else', async () => {
    const dir = tempDir()
    const path = join(dir, 'x.db')
    const store = await open(path)
    await store.write([block(notes, 1), changes(notes, 1, edits(['kept']))])
    await store.close()
    copyFileSync(path, join(dir, 'copy.db'))
    const copy = await open(join(dir, 'copy.db'), { replica: replicaOf('c') })
    expect(copy.state.replica).toBe(replicaOf('c'))
    expect(await textOf(copy)).toBe('kept')
    expect((await open(path, { replica: replicaOf('d') })).state.replica).toBe(replicaOf('a'))
  })

  it('is refused when it belongs to another daemon', async () => {
    const path = join(tempDir(), 'x.db')
    await (await open(path)).close()
    await expect(open(path, { daemon: bob.peer })).rejects.toMatchObject({ code: 'wrong-state' })
  })

  it.each([
    ['is no database', (path: string) => writeFileSync(path, 'not a database at all')],
    [
      'lost its content',
      (path: string) => {
        writeFileSync(path, '')
        writeFileSync(`${path}-wal`, 'rows')
      },
    ],
    [
      'belongs to another program',
      (path: string) => {
        const db = new Database(path)
        db.exec('CREATE TABLE theirs (x)')
        db.close()
      },
    ],
  ])('that %s is refused and not changed', async (_what, spoil) => {
    const path = join(tempDir(), 'x.db')
    spoil(path)
    const before = readFileSync(path)
    await expect(open(path)).rejects.toMatchObject({ code: 'database-corrupt' })
    expect(readFileSync(path)).toEqual(before)
  })

  it('of a newer version is refused and not changed', async () => {
    const path = join(tempDir(), 'x.db')
    await (await open(path)).close()
    const db = new Database(path)
    db.pragma('user_version = 99')
    db.pragma('journal_mode = DELETE')
    db.close()
    const before = readFileSync(path)
    await expect(open(path)).rejects.toMatchObject({ code: 'database-newer' })
    expect(readFileSync(path)).toEqual(before)
  })

  it('with a flipped bit in a change gives an error and not another text', async () => {
    const path = join(tempDir(), 'x.db')
    const store = await open(path)
    await store.write([block(notes, 1), changes(notes, 1, edits(['PAY 100']), false)])
    await store.close()
    const db = new Database(path)
    db.prepare("UPDATE change SET bytes = CAST(replace(hex(bytes), hex('1'), hex('9')) AS BLOB)").run()
    const row = db.prepare<[], { bytes: Buffer }>('SELECT bytes FROM change').get()
    db.prepare('UPDATE change SET bytes = ?').run(Buffer.from(row?.bytes.toString() ?? '', 'hex'))
    db.close()
    await expect((await open(path)).read(notes)).rejects.toMatchObject({ code: 'database-corrupt' })
  })

  it('that is full refuses what does not fit, keeps the rest and goes on', async () => {
    const path = join(tempDir(), 'x.db')
    const store = await open(path, { maxPages: 20 })
    await store.write([block(notes, 1), changes(notes, 1, edits(['small']))])
    const large = edits(['x'.repeat(19_000)]).concat(edits(['y'.repeat(19_000)], 'ef'.repeat(24)))
    const tooMuch = Array.from({ length: 40 }, (_, n) => changes(notes, 10 + 2 * n, large))
    await expect(store.write(tooMuch)).rejects.toMatchObject({ code: 'storage-full' })
    expect(await textOf(store)).toBe('small')
    await store.write([{ kind: 'cursor', cursor: Uint8Array.of(1) }])
  })
})

describe('a thread that was started beforehand', () => {
  const initOf = (name: string): StoreInit => ({
    path: join(tempDir(), name),
    daemon: daemonPerson.peer,
    replica: replicaOf('a'),
  })

  it('opens one store, and another one in a thread of its own', async () => {
    const prepared = prepareSqliteStore()
    const stores = [await prepared.open(initOf('one.db')), await prepared.open(initOf('two.db'))]
    for (const [index, store] of stores.entries()) await store.write([block(notes, index)])
    // What was opened in it is not ended with it.
    await prepared.stop()
    for (const store of stores) await expect(store.read(notes)).resolves.toMatchObject({ changes: [] })
    await Promise.all(stores.map((store) => store.close()))
  })

  it('is replaced when it was ended, or its file could not be opened', async () => {
    const prepared = prepareSqliteStore()
    const init = initOf('used.db')
    writeFileSync(init.path, 'no database')
    await expect(prepared.open(init)).rejects.toMatchObject({ code: 'database-corrupt' })
    await prepared.stop()
    const store = await prepared.open(initOf('new.db'))
    await store.write([block(notes)])
    await store.close()
  })
})
