/**
 * Bits that turn on a disk: in a change, in any page of the database, in the write-ahead log. Keeps: whatever is read
 * afterwards is what was written, and whatever is missing is said to be; nothing that turned passes for the truth.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import * as A from '@automerge/automerge'
import { findRemnant } from '../../daemon/log/remnant.ts'
import { DamageReports } from '../../daemon/storage/damage-reports.ts'
import type { CheckPosition, PeerRow, Storage } from '../../daemon/storage/storage.ts'
import { MooringError } from '../../protocol/errors.ts'
import { recordingLog } from '../fixtures/storage-entries.ts'
import { SimRandom } from '../network/sim-random.ts'
import { type Campaign, type CampaignOptions, type Figures, mustHold } from './campaign.ts'
import { openHere } from './daemon-store.ts'
import { copyStore, type Ground, makeGround, placeOf, type Truth } from './rot-ground.ts'

const kinds = ['a change', 'a page', 'a torn page', 'the log'] as const
type Kind = (typeof kinds)[number]

/** What became of one case. */
type Outcome = 'refused' | 'reported' | 'harmless'

async function run({ count, seed, scene }: CampaignOptions): Promise<Figures> {
  const random = new SimRandom(seed)
  const ground = await makeGround((name) => scene.folder(name))
  const figures: Record<string, number> = { cases: count, refused: 0, reported: 0, harmless: 0 }
  for (let n = 0; n < count; n++) {
    const kind = kinds[n % kinds.length] ?? 'a page'
    const dir = scene.folder('rotten')
    copyStore(kind === 'the log' ? ground.crashed : ground.closed, dir)
    const where = rot(dir, kind, ground, random.fork(String(n)))
    try {
      const outcome = await look(dir, ground.truth, kind)
      figures[outcome] = (figures[outcome] ?? 0) + 1
    } catch (error) {
      throw new Error(`case ${n}, ${kind}, ${where}`, { cause: error })
    }
    scene.discard(dir)
  }
  return figures
}

/** Answers what was done. */
function rot(dir: string, kind: Kind, { truth }: Ground, random: SimRandom): string {
  const path = join(dir, kind === 'the log' ? 'mooring.db-wal' : 'mooring.db')
  const file = readFileSync(path)
  if (kind === 'a torn page') {
    // A sector that was never written, or that another one was written over.
    const sectors = file.length / 512
    const at = 512 * random.int(1, sectors - 1)
    const from = random.chance(0.5) ? undefined : 512 * random.int(1, sectors - 1)
    const sector = from === undefined ? Buffer.alloc(512) : Buffer.from(file.subarray(from, from + 512))
    sector.copy(file, at)
    writeFileSync(path, file)
    return `sector at ${at} from ${from}`
  }
  const bits = 1 + random.int(0, 2)
  const start = kind === 'a change' ? placeInChange(path, truth, random) : random.int(0, file.length - 9)
  for (let bit = 0; bit < bits; bit++) {
    const at = start + random.int(0, 7)
    file.writeUInt8(file.readUInt8(at) ^ (1 << random.int(0, 7)), at)
  }
  writeFileSync(path, file)
  return `${bits} bits at ${start}`
}

function placeInChange(path: string, { rows }: Truth, random: SimRandom): number {
  for (;;) {
    const row = random.pick([...rows.values()])
    const at = placeOf(path, row)
    if (at !== undefined) return at + random.int(0, row.bytes.length - 9)
  }
}

async function look(dir: string, truth: Truth, kind: Kind): Promise<Outcome> {
  const log = recordingLog()
  let storage: Storage
  try {
    storage = openHere(dir, new DamageReports(log))
  } catch (error) {
    mustHold(isSaid(error), 'a store that cannot be opened must say why:', String(error))
    return 'refused'
  }
  const faults: string[] = []
  try {
    await compare(storage, truth, kind === 'the log', faults)
  } finally {
    await storage.close().catch(() => {})
  }
  const isReported = log.lines.some(({ level }) => level === 'error') || faults.length > 0
  return isReported ? 'reported' : 'harmless'
}

const isSaid = (error: unknown): boolean =>
  error instanceof MooringError || (error instanceof Error && /SQLITE_/.test(String(Reflect.get(error, 'code'))))

/** Adds to `faults` what says of itself that it cannot be read. @throws for what is not the truth */
async function compare(storage: Storage, truth: Truth, isCut: boolean, faults: string[]): Promise<void> {
  const attempt = async <T>(what: string, read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read()
    } catch (error) {
      mustHold(isSaid(error), `${what} must say why it fails:`, String(error))
      faults.push(what)
      return undefined
    }
  }
  let damaged = 0
  storage.onDamage(() => {
    damaged++
  })
  const lastSeq = (await attempt('the last position', () => storage.lastSeq())) ?? 0
  const blocks = (await attempt('blocks', () => storage.blocks())) ?? []
  for (const block of blocks) {
    if (!isCut) mustHold(isDeepStrictEqual(block, truth.blocks.get(block.id)), 'a block must be what it was:', block)
  }
  for (const peer of (await attempt('peers', () => storage.peers())) ?? []) checkPeer(peer, truth)
  const seen = new Set<number>()
  for (let after = 0; after < truth.lastSeq; ) {
    const page = await attempt('the log', () => storage.readLog({ after, until: truth.lastSeq, maxBytes: 10_000 }))
    if (page === undefined) break
    for (const row of page.rows) {
      mustHold(isDeepStrictEqual(plain(row), plain(truth.ever.get(row.seq))), 'a row must be what it was:', row.seq)
      seen.add(row.seq)
    }
    after = page.next
  }
  for (let position: CheckPosition | undefined = { part: 'log', after: 0 }; position !== undefined; ) {
    const from: CheckPosition = position
    position = await attempt('looking through', () => storage.lookThrough(from))
  }
  const remnants = []
  for (const { id } of truth.blocks.values()) {
    remnants.push((await attempt(`block ${id}`, () => remnantOf(storage, id, lastSeq))) ?? 'unreadable')
  }
  const isNoticed = damaged > 0 || faults.length > 0 || remnants.some((found) => typeof found === 'object')
  // A log that was cut back is an earlier truth, and who has read further says so when they come back.
  const missing = isCut ? [] : [...truth.rows.keys()].filter((seq) => !seen.has(seq))
  mustHold(missing.length === 0 || isNoticed, 'rows are missing, and nobody says so:', missing)
  mustHold(isCut || blocks.length === truth.blocks.size || isNoticed, 'a block is missing, and nobody says so')
}

/** Nobody may ever do more than was decided. */
function checkPeer(peer: PeerRow, { peers }: Truth): void {
  if (peer.isDamaged === true) mustHold(peer.state !== 'approved' && peer.grants.length === 0, 'it must grant nothing')
  else mustHold(isDeepStrictEqual(peer, peers.get(peer.peer)), 'a decision must be what it was:', peer)
}

const plain = (row: unknown): unknown =>
  JSON.parse(JSON.stringify(row ?? null, (_, value) => (value instanceof Uint8Array ? [...value] : value)))

function remnantOf(storage: Storage, block: number, lastSeq: number) {
  const unfold = async (_row: unknown, { bytes }: { bytes: Uint8Array }): Promise<Uint8Array[]> =>
    A.getAllChanges(A.load(bytes))
  const quarantine = { hasRow: (): boolean => false }
  return findRemnant({ storage, quarantine, views: { unfold }, published: () => lastSeq, nowMs: () => 0 }, block)
}

export const rotCampaign: Campaign = {
  name: 'rot',
  summary:
    'bits turn in changes, pages and the write-ahead log: nothing that turned is served, what is missing is noticed',
  unit: 'cases',
  counts: { short: 60, long: 2_000 },
  run,
}
