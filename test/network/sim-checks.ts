/** What must be true of a simulated world once everything is connected again and quiet. */
import * as A from '@automerge/automerge'
import type { BlockRow, ChangeRow, QuarantineRow } from '../../daemon/storage/index.ts'
import { render } from '../../daemon/views/render.ts'
import { allows, schemaNamed } from '../../protocol/index.ts'
import { keyOf } from './sim-oracle.ts'
import type { SimReplica } from './sim-replica.ts'
import type { SimReport } from './sim-report.ts'
import type { SimWorld } from './sim-world.ts'

interface Content {
  readonly block: BlockRow
  readonly heads: string
  readonly text: string
  /** Whether something of it is in quarantine. */
  readonly aside: readonly QuarantineRow[]
}

export async function checkWorld(world: SimWorld, forbidden: ReadonlyMap<string, string | undefined>): Promise<void> {
  const { disk, report } = world
  const blocks = await disk.inner.blocks()
  const lastSeq = await disk.inner.lastSeq()
  const { rows } = await disk.inner.readLog({ after: 0, until: lastSeq, maxBytes: Number.MAX_SAFE_INTEGER })
  const quarantined = await disk.inner.quarantined()
  const addresses = new Map(blocks.map((block) => [block.id, block.address]))
  const stored = new Set(rows.map((row) => keyOf(addresses.get(row.block) ?? '', row.hash)))
  const hashes = new Set<string>(rows.map(({ hash }) => hash))
  for (const [hash, beside] of forbidden) {
    const isStored = hashes.has(hash) && (beside === undefined || hashes.has(beside))
    if (isStored) report.fail(`what was to be refused is stored: ${hash}`)
  }
  // Nobody reads these any more, and what is folded away of them is in no row.
  const replaced = new Set(blocks.filter(({ deletedSeq }) => deletedSeq > 0).map(({ address }) => address as string))
  const contents = new Map<string, Content>()
  for (const block of blocks.filter(({ deletedSeq }) => deletedSeq === 0)) {
    const aside = quarantined.filter((row) => row.block === block.id)
    const ofBlock = rows.filter((row) => row.block === block.id)
    checkRows(block, ofBlock, report)
    const sound = ofBlock.filter((row) => !aside.some(({ hash }) => hash === row.hash))
    const snapshot = block.horizonSeq > 0 ? await disk.inner.snapshot(block.id) : undefined
    const { changes, ...made } = contentOf(block, snapshot?.bytes, sound, report)
    for (const hash of changes) stored.add(keyOf(block.address, hash))
    const content = { block, aside, ...made }
    contents.set(block.address, content)
    // The first change of the schema is in no row.
    checkCounts(world, content, changes.length - 1)
    report.trace(`${block.address} ${content.heads}`)
  }
  for (const replica of world.replicas) {
    checkPromises(world, replica, (address, hash) => {
      const known = keyOf(address, hash)
      if (stored.has(known) || (replaced.has(address) && disk.holds(address, hash))) return true
      return world.isRestored && world.deletedChanges.has(known)
    })
    for (const open of replica.blocks.values()) {
      const content = contents.get(open.address)
      if (content !== undefined) checkContent(world, replica, open.address, content)
      else if (open.handle.pending > 0) report.fail(`${replica.name}: ${open.address} does not exist and edits wait`)
    }
    if ((replica.process?.waiting ?? 0) > 0) report.fail(`${replica.name}: flushed() never settled`)
  }
}

/** No change twice, no gap in what an actor wrote. */
function checkRows(block: BlockRow, rows: readonly ChangeRow[], report: SimReport): void {
  const hashes = new Set<string>()
  const seqs = new Map<string, number[]>()
  for (const { hash, actor, actorSeq } of rows) {
    if (hashes.has(hash)) report.fail(`${block.address}: a change is in the log twice`)
    hashes.add(hash)
    seqs.set(actor, [...(seqs.get(actor) ?? []), actorSeq])
  }
  for (const [actor, numbers] of seqs) {
    // What was released stands where it came back.
    const inOrder = numbers.toSorted((a, b) => a - b)
    // The first of them may be folded away.
    const first = block.horizonSeq > 0 ? (inOrder[0] ?? 1) : 1
    if (inOrder.some((number, index) => number !== index + first)) {
      report.fail(`${block.address}: ${actor.slice(32)} has the sequence numbers ${numbers.join()}`)
    }
  }
}

function checkCounts(world: SimWorld, { block, heads }: Content, changes: number): void {
  const inMemory = world.life?.log?.index.byId(block.id)
  for (const row of [block, inMemory]) {
    if (row === undefined || [...row.heads].sort().join() !== heads || row.changes !== changes) {
      world.report.fail(`${block.address}: the daemon's own heads or counts are wrong`)
    }
  }
}

/**
 * As Automerge makes it of snapshot and rows, and again after a save and a load, which must give the same. Rendered of
 * what the engine holds: what it shows of changes that it applied may be something else.
 */
function contentOf(
  block: BlockRow,
  snapshot: Uint8Array | undefined,
  rows: readonly ChangeRow[],
  report: SimReport,
): { heads: string; text: string; changes: string[] } {
  const base = snapshot ?? schemaNamed(block.schema).initial.bytes
  const [doc] = A.applyChanges(
    A.load<object>(base, { actor: 'ab'.repeat(16) }),
    rows.map((row) => row.bytes),
  )
  const heads = headsOf(doc)
  const text = render(block.schema, A.getBackend(doc).materialize('/'))
  const loaded = A.load<object>(A.save(doc))
  if (headsOf(loaded) !== heads || render(block.schema, loaded) !== text) {
    report.fail(`${block.address} cannot be loaded again`)
  }
  const changes = A.getChangesMetaSince(doc, []).map(({ hash }) => hash)
  A.free(doc)
  A.free(loaded)
  return { heads, text, changes }
}

/** Whatever its author was told, or wrote down, is durable at the daemon or was handed back as refused. */
type IsStored = (address: string, hash: string) => boolean

function checkPromises(world: SimWorld, replica: SimReplica, isStored: IsStored): void {
  const { report, isRestored } = world
  const { name, facts, process, home } = replica
  const isLost = (address: string, hash: string): boolean =>
    !isStored(address, hash) && !facts.aside.has(keyOf(address, hash))
  for (const [known, { address, hash }] of facts.acked) {
    // After a restore what was cut off is sent again; what is refused then is handed back.
    if (isStored(address, hash) || (isRestored && facts.aside.has(known))) continue
    report.fail(`${name} ${address}: an acknowledged change is lost: ${hash.slice(0, 8)}`)
  }
  for (const [hash, address] of home?.saved ?? []) {
    if (isLost(address, hash)) report.fail(`${name} ${address}: a saved change is lost: ${hash.slice(0, 8)}`)
  }
  if (process === undefined) {
    report.fail(`${name} does not run`)
    return
  }
  const made = [...process.blocks.values()].reduce((sum, block) => sum + block.made, 0)
  if (home === undefined) {
    const handedBack = [...facts.aside].flatMap(([change, actor]) => (facts.isOwn(actor) ? [change] : []))
    const known = new Set([...facts.sent.keys(), ...handedBack])
    if (known.size !== made) report.fail(`${name}: ${made} edits, ${known.size} of them sent or handed back`)
    for (const { address, hash } of facts.sent.values()) {
      if (isLost(address, hash)) report.fail(`${name}: an edit is neither stored nor handed back`)
    }
    return
  }
  if (process.isStoring === true && process.written.size !== made)
    report.fail(`${name}: ${made} edits, ${process.written.size} of them written down`)
}

function checkContent(world: SimWorld, replica: SimReplica, address: string, content: Content): void {
  const { report } = world
  const { process } = replica
  const open = [...replica.blocks.values()].find((each) => each.address === address)
  if (open === undefined || process === undefined) return
  const { handle } = open
  const name = `${replica.name} ${address}`
  if (handle.pending > 0) report.fail(`${name}: ${handle.pending} edits wait, state ${handle.state}: ${handle.reason}`)
  if (!allows(world.grantsOf(replica), { area: 'blocks', right: 'read', subject: address })) {
    if (handle.state === 'live') report.fail(`${name} is live without the right to read`)
    return
  }
  if (handle.state !== 'live' && handle.state !== 'denied') report.fail(`${name} is ${handle.state}: ${handle.reason}`)
  const here = headsOf(handle.value)
  if (here === content.heads) {
    if (render(handle.schema, handle.value) !== content.text) report.fail(`${name} shows something else`)
    return
  }
  // Who took a change in before it was set aside may still have it.
  const holdsAside = content.aside.some(({ hash }) => A.hasHeads(handle.value, [hash]))
  if (!holdsAside) report.fail(`${name} differs: ${short(here)} here, ${short(content.heads)} at the daemon`)
}

const headsOf = (doc: A.Doc<unknown>): string => A.getHeads(doc).toSorted().join()

const short = (heads: string): string =>
  heads
    .split(',')
    .map((head) => head.slice(0, 8))
    .join(' ')
