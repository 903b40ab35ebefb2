/** What befalls edits by accident: each time the outcome is defined, and nothing is lost silently. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { decodeCursor } from '../../daemon/log/cursor.ts'
import { openSqlite } from '../../daemon/storage/sqlite.ts'
import { systemClock } from '../../daemon/system-clock.ts'
import { getConflicts, splice } from '../../plugin-sdk/memory/index.ts'
import { type BlockAddress, Channel } from '../../protocol/index.ts'
import { alice, bob, daemonPerson } from '../fixtures/cast.ts'
import { type PluginInWorld, SyncWorld, silentLog } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const notes = 'space:home/notes' as BlockAddress
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: SyncWorld

beforeEach(async () => {
  world = await SyncWorld.open()
  for (const who of [alice, bob]) await world.approve(who, ...everything)
})

afterEach(async () => {
  await world.close()
})

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 5 })

describe('two plugins that set the same key while both are away', () => {
  it('come to the same value, and the other one can still be read, by both and by a third', async () => {
    const a = world.plugin(alice)
    const b = world.plugin(bob)
    const ends = [a.connect(), b.connect()]
    const mine = a.memory.open(notes, 'map')
    const theirs = b.memory.open(notes, 'map')
    await Promise.all([mine.live(), theirs.live()])
    for (const end of ends) end()
    await until(() => expect([mine.state, theirs.state]).toEqual(['offline', 'offline']))
    mine.change((draft) => {
      draft.map.title = 1
    })
    theirs.change((draft) => {
      draft.map.title = 2
    })
    a.connect()
    b.connect()
    await Promise.all([mine.flushed(), theirs.flushed()])
    const third = world.plugin(alice, 'another')
    third.connect()
    const elsewhere = third.memory.open(notes, 'map')
    const valuesOf = ({ value }: typeof mine): unknown[] => Object.values(getConflicts(value.map, 'title') ?? {}).sort()
    for (const block of [mine, theirs, elsewhere]) await until(() => expect(valuesOf(block)).toEqual([1, 2]))
    expect(theirs.value.map.title).toBe(mine.value.map.title)
    expect(elsewhere.value.map.title).toBe(mine.value.map.title)
    // Until somebody decides.
    mine.change((draft) => {
      draft.map.title = 3
    })
    for (const block of [mine, theirs, elsewhere]) {
      await until(() => expect(block.value.map.title).toBe(3))
      expect(getConflicts(block.value.map, 'title') ?? {}).toEqual({})
    }
  })
})

describe('a log file that rots in the middle', () => {
  const lineOf = (n: number): string => `line ${n}\n`
  const lines = 30

  /** Opens a copy of the store in which one byte of what was not folded back is turned. How many changes are left. */
  async function rotten(source: string, at: number): Promise<{ world: SyncWorld; changes: number }> {
    const dir = tempDir()
    for (const name of ['mooring.db', 'mooring.db-wal']) copyFileSync(join(source, name), join(dir, name))
    const log = readFileSync(join(dir, 'mooring.db-wal'))
    const place = Math.floor(log.length * at)
    log.writeUInt8(log.readUInt8(place) ^ 0x5a, place)
    writeFileSync(join(dir, 'mooring.db-wal'), log)
    const older = await SyncWorld.open(await openSqlite({ dir, log: silentLog, self: daemonPerson.peer }))
    return { world: older, changes: older.log.index.at(notes)?.changes ?? 0 }
  }

  it('is noticed, said once, and made good by the plugins that hold what it lost', async () => {
    const dir = tempDir()
    // Not folded back while the test looks at it.
    const storage = await openSqlite({ dir, log: silentLog, self: daemonPerson.peer, idleMs: 600_000 })
    await world.close()
    world = await SyncWorld.open(storage)
    await world.approve(alice, ...everything)
    const a = world.plugin(alice)
    const end = a.connect()
    const mine = a.memory.open(notes, 'text')
    for (let n = 0; n < lines; n++) {
      mine.change((draft) => splice(draft, ['text'], draft.text.length, 0, lineOf(n)))
      await mine.flushed()
    }
    // It has read the log to its end, and been told so.
    await until(() => {
      const cursors = world.frames.flatMap(({ frame }) => (frame.t === 'synced' ? [frame.cursor as Uint8Array] : []))
      expect(decodeCursor(cursors.at(-1) ?? new Uint8Array(0))?.seq).toBe(world.log.published)
    })
    end()
    await until(() => expect(mine.state).toBe('offline'))

    let damaged = await rotten(dir, 0.9)
    for (let at = 0.8; damaged.changes >= lines && at > 0; at -= 0.1) {
      await damaged.world.close()
      damaged = await rotten(dir, at)
    }
    onTestFinished(() => damaged.world.close())
    expect(damaged.changes).toBeLessThan(lines)
    expect(damaged.changes).toBeGreaterThan(0)

    const warn = vi.spyOn(silentLog, 'warn')
    onTestFinished(() => void warn.mockRestore())
    const told = (): unknown[][] =>
      (warn.mock.calls as unknown[][]).filter(([, text]) => /read further/.test(String(text)))
    for (let connections = 0; connections < 2; connections++) {
      const leave = connectTo(damaged.world, a)
      await mine.live()
      await mine.flushed()
      await until(() => expect(damaged.world.log.index.at(notes)?.changes).toBe(lines))
      leave()
      await until(() => expect(mine.state).toBe('offline'))
    }
    expect(told()).toHaveLength(1)
    expect(mine.value.text).toBe(Array.from({ length: lines }, (_, n) => lineOf(n)).join(''))
    expect(mine.refused).toEqual([])
  })
})

/** Connects a plugin of one world to another one: the daemon over another store. */
function connectTo(daemon: SyncWorld, { person, memory, replica }: PluginInWorld): () => void {
  const session = new AbortController()
  memory.onConnection({
    daemon: daemonPerson.peer,
    replica,
    signal: session.signal,
    openChannel: async () => new Channel(daemon.dial(person, replica, session.signal), { clock: systemClock }),
  })
  return () => session.abort()
}
