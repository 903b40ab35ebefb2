/**
 * Makes the vector of the version that this program writes: a small database with something in every table, and what the
 * storage port says of it. Run it before a migration is added: `node test/vectors/make.ts FOLDER`, with an
 * empty folder to work in.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import Database from 'better-sqlite3'
import { openSqlite } from '../../daemon/storage/sqlite.ts'
import type { Storage } from '../../daemon/storage/storage.ts'
import { splice } from '../../plugin-sdk/memory/index.ts'
import type { BlockAddress } from '../../protocol/index.ts'
import { alice, bob, daemonPerson, mallory } from '../fixtures/cast.ts'
import { inviteRow, peerRow, requestRow } from '../fixtures/storage-entries.ts'
import { silentLog, SyncWorld } from '../fixtures/sync-world.ts'
import { describeStorage } from './describe.ts'

const notes = 'space:home/notes' as BlockAddress
const tasks = 'space:home/gone' as BlockAddress
const rights = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
const origin = { peer: daemonPerson.peer, replica: '0'.repeat(32) as never }

async function edit(world: SyncWorld): Promise<void> {
  for (const person of [alice, bob, mallory]) await world.approve(person, ...rights)
  const leave = []
  for (const [person, address] of [[alice, notes], [bob, notes], [mallory, notes], [bob, tasks]] as const) {
    const plugin = world.plugin(person, address)
    leave.push(plugin.connect())
    const block = plugin.memory.open(address, 'text')
    for (let n = 0; n < 20; n++) {
      block.change((doc) => splice(doc, ['text'], doc.text.length, 0, `${person.name} ${n} `))
      await block.flushed()
    }
  }
  for (const end of leave) end()
}

/** The change in the last row is set aside, and the one before it once was. */
async function setAside(storage: Storage, block: number): Promise<void> {
  const { rows } = await storage.readLog({ block, after: 0, until: await storage.lastSeq(), maxBytes: 1_000_000 })
  const entry = { origin, grantVersion: 0, block } as const
  for (const row of rows.slice(-2)) {
    const { hash, seq, actor, actorSeq } = row
    const change = { hash, seq, actor, actorSeq, peer: mallory.peer, cause: undefined, reason: 'it fails alone' }
    const suspend = [{ peer: mallory.peer, reason: 'a change of it fails' }]
    await storage.append([{ kind: 'quarantine', ...entry, changes: [change], suspend, atMs: 7_000 }])
  }
  const [first] = rows.slice(-2)
  if (first === undefined) throw new Error('nothing was written')
  const deps = rows.slice(-3, -2).map(({ hash }) => hash)
  await storage.append([{ kind: 'release', ...entry, changes: [{ hash: first.hash, seq: first.seq, deps }] }])
}

async function decide(storage: Storage): Promise<void> {
  const [first] = await storage.peers()
  if (first === undefined) throw new Error('nobody was approved')
  const row = peerRow(origin, { peer: 'decided' as never, state: 'revoked', name: 'gone', grants: [] })
  await storage.decide({ atMs: 5_000, peer: { row, expectGrantVersion: 0 } })
  await storage.putRequest(requestRow({ peer: mallory.peer, replica: origin.replica }, 'ABCD'))
  await storage.putInvite(inviteRow('secret', { name: 'guest' }))
}

/** As if the first rows of the block had been folded away. */
async function fold(storage: Storage, block: number): Promise<void> {
  const { rows } = await storage.readLog({ block, after: 0, until: await storage.lastSeq(), maxBytes: 1_000_000 })
  const last = rows[9]
  if (last === undefined) throw new Error('nothing was written')
  const heads = [last.hash]
  await storage.putSnapshot({ block, seq: last.seq, changes: 10, heads, bytes: new Uint8Array(500).fill(7) })
  await storage.putVerified({ block, seq: last.seq, heads })
  await storage.fold({ block, until: last.seq, maxRows: 100 })
}

async function make(folder: string): Promise<void> {
  const storage = await openSqlite({ dir: folder, log: silentLog, self: daemonPerson.peer })
  const world = await SyncWorld.open(storage)
  await edit(world)
  await world.log.settled()
  const [first, second] = await storage.blocks()
  if (first === undefined || second === undefined) throw new Error('two blocks were made')
  await setAside(storage, first.id)
  await fold(storage, first.id)
  await storage.append([{ kind: 'delete', origin, grantVersion: 0, block: second.id }])
  await decide(storage)
  await storage.openEpoch()
  const described = await describeStorage(storage)
  await world.close()

  const path = join(folder, 'mooring.db')
  const db = new Database(path)
  const name = String(db.pragma('user_version', { simple: true })).padStart(3, '0')
  db.exec('VACUUM')
  db.close()
  const to = join(import.meta.dirname, name)
  if (existsSync(`${to}.db.gz`)) throw new Error(`there is a vector of version ${name}: it is never made anew`)
  writeFileSync(`${to}.db.gz`, gzipSync(readFileSync(path), { level: 9 }))
  writeFileSync(`${to}.json`, `${JSON.stringify(described)}\n`)
  console.log(`made the vector of version ${name}`)
}

const folder = process.argv[2]
if (folder === undefined) throw new Error('name an empty folder to work in')
await make(folder)
