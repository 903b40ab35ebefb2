/**
 * A store with something of everything in it, to let it rot, and the truth about it. Keeps: what is in it are real changes of
 * real plugins, so that what is left can be put together again.
 */
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BlockRow, ChangeRow, PeerRow, Storage } from '../../daemon/storage/storage.ts'
import { splice } from '../../plugin-sdk/memory/index.ts'
import { type BlockAddress, formatAddress, parseAddress } from '../../protocol/index.ts'
import { alice, bob } from '../fixtures/cast.ts'
import { DamagedWorld } from '../fixtures/damaged-world.ts'
import { inviteRow, requestRow } from '../fixtures/storage-entries.ts'

export interface Truth {
  readonly rows: ReadonlyMap<number, ChangeRow>
  /** Those as well that are folded by now: a log that was cut back has them. */
  readonly ever: ReadonlyMap<number, ChangeRow>
  readonly blocks: ReadonlyMap<number, BlockRow>
  readonly peers: ReadonlyMap<string, PeerRow>
  readonly lastSeq: number
}

export interface Ground {
  /** `mooring.db` alone, closed in order; and with its write-ahead log, as a crash leaves it. */
  readonly closed: string
  readonly crashed: string
  readonly truth: Truth
}

const names = ['mooring.db', 'mooring.db-wal'] as const
const addresses = ['space:home/short', 'space:home/folded', 'space:home/gone'] as const

export const copyStore = (from: string, to: string): void => {
  for (const name of names) if (existsSync(join(from, name))) copyFileSync(join(from, name), join(to, name))
}

async function write(world: DamagedWorld, address: string, words: number): Promise<void> {
  const plugins = [world.sync.plugin(alice, address), world.sync.plugin(bob, address)]
  const leave = plugins.map((plugin) => plugin.connect())
  for (let n = 0; n < words; n++) {
    const block = plugins[n % 2]?.memory.open(address, 'text')
    block?.change((doc) => splice(doc, ['text'], doc.text.length, 0, `${address} ${n} `))
    await block?.flushed()
  }
  for (const end of leave) end()
}

const row = (world: DamagedWorld, address: string): BlockRow => {
  const { scope, label } = parseAddress(address)
  return world.row(formatAddress(scope, label) as BlockAddress)
}

/** `folder` gives empty ones. */
export async function makeGround(folder: (name: string) => string): Promise<Ground> {
  const dir = folder('ground')
  const world = await DamagedWorld.open(dir)
  const closed = folder('closed')
  const crashed = folder('crashed')
  for (const address of addresses) await write(world, address, 40)
  const before = await rowsOf(world.storage)
  await world.compaction.compact(row(world, addresses[1]).id)
  await write(world, addresses[1], 20)
  const own = world.sync.log.repairComponents.own()
  await world.sync.log.repairComponents.committer.submit([
    { kind: 'delete', ...own, block: row(world, addresses[2]).id },
  ])
  await world.storage.putRequest(requestRow({ peer: bob.peer, replica: 'r'.repeat(32) as never }, 'ABCD'))
  await world.storage.putInvite(inviteRow('secret'))
  // Before the log is folded back, which happens when nothing has been written for a second.
  copyStore(dir, crashed)
  const truth = await truthOf(world.storage, before)
  await world.close()
  copyStore(dir, closed)
  return { closed, crashed, truth }
}

async function rowsOf(storage: Storage): Promise<ReadonlyMap<number, ChangeRow>> {
  const { rows } = await storage.readLog({ after: 0, until: await storage.lastSeq(), maxBytes: 100_000_000 })
  return new Map(rows.map((each) => [each.seq, each]))
}

async function truthOf(storage: Storage, before: ReadonlyMap<number, ChangeRow>): Promise<Truth> {
  const lastSeq = await storage.lastSeq()
  const rows = await rowsOf(storage)
  return {
    rows,
    ever: new Map([...before, ...rows]),
    blocks: new Map((await storage.blocks()).map((each) => [each.id, each])),
    peers: new Map((await storage.peers()).map((each) => [each.peer, each])),
    lastSeq,
  }
}

/** Where a change stands in a database file; undefined for one that is not in one piece. */
export function placeOf(file: string, { bytes }: ChangeRow): number | undefined {
  const at = readFileSync(file).indexOf(bytes)
  return at < 0 ? undefined : at
}
