/** What must be true of a simulated world once everything is connected again and quiet. */
import * as A from '@automerge/automerge'
import type { BlockRow, ChangeRow } from '../../daemon/storage/index.ts'
import { allows, type Grant, schemaNamed } from '../../protocol/index.ts'
import type { SimReplica } from './sim-replica.ts'
import type { SimReport } from './sim-report.ts'
import type { SimDisk } from './sim-store.ts'

export interface Checked {
  readonly disk: SimDisk
  readonly report: SimReport
  readonly replicas: readonly SimReplica[]
  /** Rows as the log has them in memory. */
  readonly index: readonly BlockRow[]
  grantsOf(replica: SimReplica): readonly Grant[]
  readonly wasRestored: boolean
}

export async function checkWorld(world: Checked): Promise<void> {
  const { disk, report } = world
  const blocks = await disk.inner.blocks()
  const lastSeq = await disk.inner.lastSeq()
  const { rows } = await disk.inner.readLog({ after: 0, until: lastSeq, maxBytes: Number.MAX_SAFE_INTEGER })
  for (const block of blocks) {
    const ofBlock = rows.filter((row) => row.block === block.id)
    checkRows(block, ofBlock, report)
    const heads = headsOf(block, ofBlock, report)
    const inMemory = world.index.find((row) => row.id === block.id)
    for (const row of [block, inMemory]) {
      if (row === undefined || [...row.heads].sort().join() !== heads.join() || row.changes !== ofBlock.length) {
        report.fail(`${block.address}: the daemon's own heads or counts are wrong`)
      }
    }
    report.trace(`${block.address} ${heads.join(' ')}`)
    for (const replica of world.replicas) checkReplica(world, replica, block, ofBlock, heads)
  }
  for (const replica of world.replicas) {
    for (const { address, handle } of replica.blocks.values()) {
      if (blocks.some((block) => block.address === address)) continue
      if (handle.pending > 0) report.fail(`${replica.name}: ${address} does not exist and ${handle.pending} edits wait`)
      const acked = [...replica.facts.acked.values()].filter((fact) => fact.address === address).length
      if (acked > 0) report.fail(`${replica.name}: ${address} does not exist and ${acked} edits were acknowledged`)
    }
    if (replica.waiting > 0) report.fail(`${replica.name}: flushed() never settled (${replica.waiting})`)
  }
}

/** No change twice, no gap in what an actor wrote. */
function checkRows(block: BlockRow, rows: readonly ChangeRow[], report: SimReport): void {
  const hashes = new Set<string>()
  const next = new Map<string, number>()
  for (const row of rows) {
    if (hashes.has(row.hash)) report.fail(`${block.address}: a change is in the log twice`)
    hashes.add(row.hash)
    const expected = (next.get(row.actor) ?? 0) + 1
    if (row.actorSeq !== expected) report.fail(`${block.address}: actor seq ${row.actorSeq} instead of ${expected}`)
    next.set(row.actor, row.actorSeq)
  }
}

/** Heads of the rows as Automerge applies them, and after a save and a load, which must give the same. */
function headsOf(block: BlockRow, rows: readonly ChangeRow[], report: SimReport): string[] {
  const initial = A.load(schemaNamed(block.schema).initial.bytes, { actor: 'ab'.repeat(16) })
  const [doc] = A.applyChanges(
    initial,
    rows.map((row) => row.bytes),
  )
  const heads = A.getHeads(doc).sort()
  const loaded = A.load(A.save(doc))
  if (A.getHeads(loaded).sort().join() !== heads.join()) report.fail(`${block.address} cannot be loaded again`)
  A.free(doc)
  A.free(loaded)
  return heads
}

function checkReplica(
  world: Checked,
  replica: SimReplica,
  block: BlockRow,
  rows: readonly ChangeRow[],
  heads: readonly string[],
): void {
  const { report } = world
  const open = [...replica.blocks.values()].find((each) => each.address === block.address)
  if (open === undefined) return
  const { handle, aside } = open
  const name = `${replica.name} ${block.address}`
  const stored = new Set<string>(rows.map((row) => row.hash))
  const made = [...replica.facts.made.values()].filter((fact) => fact.address === block.address)
  // Whatever the author typed is durable at the daemon, or was handed back as refused: nothing in between.
  const known = new Set([...made.map((fact) => fact.hash), ...aside])
  if (known.size !== open.made) report.fail(`${name}: ${open.made} edits, ${known.size} of them sent or handed back`)
  for (const { hash } of made) {
    if (!stored.has(hash) && !aside.has(hash)) report.fail(`${name}: an edit is neither stored nor handed back`)
  }
  for (const { address, hash } of replica.facts.acked.values()) {
    // After a restore what was cut off is sent again; what is refused then is handed back.
    if (address !== block.address || stored.has(hash) || (world.wasRestored && aside.has(hash))) continue
    report.fail(`${name}: an acknowledged change is lost: ${hash.slice(0, 8)}`)
  }
  const mayRead = allows(world.grantsOf(replica), { area: 'blocks', right: 'read', subject: block.address })
  if (handle.pending > 0) report.fail(`${name}: ${handle.pending} edits wait, state ${handle.state}: ${handle.reason}`)
  if (!mayRead) {
    if (handle.state === 'live') report.fail(`${name} is live without the right to read`)
    return
  }
  const isDenied = handle.state === 'denied' && aside.size > 0
  if (handle.state !== 'live' && !isDenied) report.fail(`${name} is ${handle.state}: ${handle.reason}`)
  const here = replica.heads(open)
  if (here.join() !== heads.join()) {
    report.fail(`${name} differs: ${short(here)} here, ${short(heads)} at the daemon`)
  }
}

const short = (heads: readonly string[]): string => heads.map((head) => head.slice(0, 8)).join(' ')
