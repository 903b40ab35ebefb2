/**
 * How rows cross between the main thread and a worker: numbers in one Float64Array, everything else in one byte
 * buffer, both handed over and not copied. Keeps: no view of a caller's buffer is ever sent, because sending a view
 * copies the whole buffer behind it, and no part of a caller's memory is given away.
 */
import type { ActorId, ChangeHash } from '../../protocol/ids.ts'
import type { PlannedEntry } from './planned.ts'
import type { ChangeEntry, ChangeRow, CreateEntry, LogEntry, ObjectRow, Origin, ReplaceEntry, Tip } from './storage.ts'

/** A change with its binary columns ready to be stored. */
export interface UnpackedChange extends ChangeEntry {
  readonly hashBytes: Uint8Array
  readonly actorBytes: Uint8Array
}

/** Few and small: they cross as they are. */
type OtherEntry = Exclude<LogEntry, ChangeEntry>

type Author = Pick<ChangeEntry, 'origin' | 'grantVersion' | 'author'>

/** The entries of one call, in order. */
export interface PackedBatch {
  readonly count: number
  /** Index → entry, for the few that are not changes. */
  readonly others: ReadonlyMap<number, OtherEntry>
  /** Index → objects, for changes that make some. */
  readonly objects: ReadonlyMap<number, readonly ObjectRow[]>
  readonly authors: readonly Author[]
  readonly numbers: Float64Array<ArrayBuffer>
  readonly bytes: Uint8Array<ArrayBuffer>
}

const hashLength = 32
/** Numbers per change: author, block, actor seq, max op, ops, gap, content, then lengths: actor, deps, signature (−1: no tip), bytes. */
const stride = 11

export function packBatch(entries: readonly LogEntry[]): PackedBatch {
  const others = new Map<number, OtherEntry>()
  const objects = new Map<number, readonly ObjectRow[]>()
  const authors: Author[] = []
  const bytes = Buffer.from(new ArrayBuffer(packedSize(entries)))
  const numbers = new Float64Array(entries.length * stride)
  const authorIndex = authorIndexer(authors)
  let at = 0
  let field = 0
  for (const [index, entry] of entries.entries()) {
    if (entry.kind !== 'change') {
      others.set(index, entry.kind === 'create' || entry.kind === 'replace' ? copyOther(entry) : entry)
      continue
    }
    if (entry.objects.length > 0) objects.set(index, entry.objects)
    const start = at
    at += bytes.write(entry.hash, at, hashLength, 'hex')
    const actorLength = bytes.write(entry.actor, at, entry.actor.length / 2, 'hex')
    at += actorLength
    for (const dep of entry.deps) at += bytes.write(dep, at, hashLength, 'hex')
    if (at - start !== hashLength * (1 + entry.deps.length) + entry.actor.length / 2) {
      throw new TypeError('a hash or actor id is not hex')
    }
    if (entry.tip !== undefined) {
      bytes.set(entry.tip.signature, at)
      at += entry.tip.signature.length
    }
    bytes.set(entry.bytes, at)
    at += entry.bytes.length
    numbers[field++] = authorIndex(entry)
    numbers[field++] = entry.block
    numbers[field++] = entry.actorSeq
    numbers[field++] = entry.maxOp
    numbers[field++] = entry.ops
    numbers[field++] = entry.gap
    numbers[field++] = entry.content
    numbers[field++] = actorLength
    numbers[field++] = entry.deps.length
    numbers[field++] = entry.tip === undefined ? -1 : entry.tip.signature.length
    numbers[field++] = entry.bytes.length
  }
  return { count: entries.length, others, objects, authors, numbers, bytes }
}

/** The entries again. Binary fields are views of the packed buffer, which nobody else holds. */
export function* unpackBatch(batch: PackedBatch): Generator<PlannedEntry<UnpackedChange>> {
  const take = taker(batch.bytes)
  const { numbers } = batch
  let field = 0
  const number = (): number => numbers[field++] ?? Number.NaN
  for (let index = 0; index < batch.count; index += 1) {
    const other = batch.others.get(index)
    if (other !== undefined) {
      yield other.kind === 'replace' ? { ...other, changes: other.changes.map(unpacked) } : other
      continue
    }
    const author = batch.authors[number()]
    if (author === undefined) throw new TypeError('a packed change has no author')
    const [block, actorSeq, maxOp] = [number(), number(), number()]
    const [ops, gap, content] = [number(), number(), number()]
    const [actorLength, depCount, signatureLength, bytesLength] = [number(), number(), number(), number()]
    const hashBytes = take(hashLength)
    const actorBytes = take(actorLength)
    const hash = hashBytes.toString('hex') as ChangeHash
    const actor = actorBytes.toString('hex') as ActorId
    const deps = Array.from({ length: depCount }, () => take(hashLength).toString('hex') as ChangeHash)
    const tip: Tip | undefined =
      signatureLength < 0 ? undefined : { actor, seq: actorSeq, hash, signature: take(signatureLength) }
    yield {
      kind: 'change',
      ...author,
      block,
      hash,
      actor,
      actorSeq,
      maxOp,
      ops,
      gap,
      content,
      deps,
      objects: batch.objects.get(index) ?? [],
      bytes: take(bytesLength),
      ...(tip === undefined ? {} : { tip }),
      hashBytes,
      actorBytes,
    }
  }
}

/** Rows of the log on their way to the main thread. */
export interface PackedRows {
  readonly origins: readonly Origin[]
  readonly numbers: Float64Array<ArrayBuffer>
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** A row as the reader found it. */
export interface StoredChange {
  readonly seq: number
  readonly block: number
  readonly hash: Uint8Array
  readonly max_op: number
  readonly actor: Uint8Array
  readonly actor_seq: number
  readonly origin: number
  readonly sum: Uint8Array
  readonly bytes: Uint8Array
}

/** Numbers per row: seq, block, actor seq, max op, index of the origin, then lengths: actor, bytes. */
const rowStride = 7

export function packRows(rows: readonly StoredChange[], originOf: (id: number) => Origin): PackedRows {
  const origins: Origin[] = []
  const originIndex = new Map<number, number>()
  const numbers = new Float64Array(rows.length * rowStride)
  const bytes = new Uint8Array(rows.reduce((sum, row) => sum + hashLength + row.actor.length + row.bytes.length, 0))
  let at = 0
  let field = 0
  for (const row of rows) {
    let origin = originIndex.get(row.origin)
    if (origin === undefined) {
      origin = origins.push(originOf(row.origin)) - 1
      originIndex.set(row.origin, origin)
    }
    for (const value of [row.seq, row.block, row.actor_seq, row.max_op, origin, row.actor.length, row.bytes.length]) {
      numbers[field++] = value
    }
    for (const part of [row.hash, row.actor, row.bytes]) {
      bytes.set(part, at)
      at += part.length
    }
  }
  return { origins, numbers, bytes }
}

export function unpackRows({ origins, numbers, bytes }: PackedRows): ChangeRow[] {
  const rows: ChangeRow[] = []
  const take = taker(bytes)
  let field = 0
  const number = (): number => numbers[field++] ?? Number.NaN
  while (field < numbers.length) {
    const [seq, block, actorSeq, maxOp] = [number(), number(), number(), number()]
    const [origin, actorLength, bytesLength] = [number(), number(), number()]
    const from = origins[origin]
    if (from === undefined) throw new TypeError('a packed row has no origin')
    const hash = take(hashLength).toString('hex') as ChangeHash
    const actor = take(actorLength).toString('hex') as ActorId
    const content = take(bytesLength)
    rows.push({
      seq,
      block,
      hash,
      actor,
      actorSeq,
      maxOp,
      origin: { ...from },
      bytes: new Uint8Array(content.buffer, content.byteOffset, bytesLength),
    })
  }
  return rows
}

/** Hashes, 32 bytes each, as the database keeps a list of them. */
export const packHashes = (hashes: Iterable<ChangeHash>): Buffer => Buffer.from([...hashes].join(''), 'hex')

export function unpackHashes(bytes: Uint8Array): ChangeHash[] {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
  return Array.from({ length: bytes.length / hashLength }, (_, n) => hex.slice(n * 64, n * 64 + 64) as ChangeHash)
}

/** Cuts a buffer into views, from the front. */
function taker(bytes: Uint8Array<ArrayBuffer>): (length: number) => Buffer<ArrayBuffer> {
  const buffer = Buffer.from(bytes.buffer)
  let at = 0
  return (length) => {
    at += length
    return buffer.subarray(at - length, at)
  }
}

function packedSize(entries: readonly LogEntry[]): number {
  let size = 0
  for (const entry of entries) {
    if (entry.kind !== 'change') continue
    size += hashLength * (1 + entry.deps.length) + entry.actor.length / 2 + entry.bytes.length
    size += entry.tip?.signature.length ?? 0
  }
  return size
}

/** Entries of one frame share their origin object, so the last author is nearly always the right one. */
function authorIndexer(authors: Author[]): (entry: ChangeEntry) => number {
  const known = new Map<string, number>()
  let last: { readonly entry: ChangeEntry; readonly index: number } | undefined
  return (entry) => {
    const { origin, grantVersion, author } = entry
    const isSame = last?.entry.origin === origin && last.entry.grantVersion === grantVersion
    if (last !== undefined && isSame && last.entry.author === author) return last.index
    const key = JSON.stringify([origin.peer, origin.replica, grantVersion, author?.peer, author?.grantVersion])
    const written = author === undefined ? { origin, grantVersion } : { origin, grantVersion, author }
    const index = known.get(key) ?? authors.push(written) - 1
    known.set(key, index)
    last = { entry, index }
    return index
  }
}

/** Without what lies around their bytes. */
function copyOther(entry: CreateEntry | ReplaceEntry): OtherEntry {
  const initial = { ...entry.initial, signature: new Uint8Array(entry.initial.signature) }
  return entry.kind === 'create' ? { ...entry, initial } : { ...entry, initial, changes: entry.changes.map(copyChange) }
}

const copyChange = ({ tip, ...change }: ChangeEntry): ChangeEntry => ({
  ...change,
  bytes: new Uint8Array(change.bytes),
  ...(tip === undefined ? {} : { tip: { ...tip, signature: new Uint8Array(tip.signature) } }),
})

const unpacked = (change: ChangeEntry): UnpackedChange => ({
  ...change,
  hashBytes: Buffer.from(change.hash, 'hex'),
  actorBytes: Buffer.from(change.actor, 'hex'),
})
