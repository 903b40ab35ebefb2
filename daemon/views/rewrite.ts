/**
 * Makes the present value of a document anew, as changes of one actor on top of the frozen changes of its schema. Keeps: what
 * comes out shows the same, and every change of it is one that the log takes.
 */
import * as Automerge from '@automerge/automerge'
import { toPlain } from './render.ts'

type Value = Record<string, unknown>
type Path = (string | number)[]

/** Operations and bytes of one change, well below what a change may have. */
const maxOps = 8_000
const maxBytes = 96 * 1024
const bytesPerOp = 8

/** @throws when what comes out would show something else */
export function rewrite(
  document: Automerge.Doc<Value>,
  frozen: readonly Uint8Array[],
  actor: string,
): readonly Uint8Array[] {
  const upgrades = frozen.slice(1)
  // The engine's document has no JavaScript copy that is up to date; one that was loaded has. Brought to the newest version
  // of its schema, it lacks no container but those that somebody took away.
  const source = Automerge.load<Value>(Buffer.concat([Automerge.save(document), ...upgrades]))
  const writer = new Writer(Automerge.load<Value>(Buffer.concat(frozen), { actor }))
  try {
    writer.remove(source, [])
    writer.fill(source, source, [])
    writer.flush()
    const [wanted, made] = [source, writer.document].map((each) => JSON.stringify(toPlain(Automerge.toJS(each))))
    if (sorted(wanted) !== sorted(made)) throw new Error('the block cannot be written anew without a difference')
    return [...upgrades, ...writer.changes]
  } finally {
    Automerge.free(source)
    Automerge.free(writer.document)
  }
}

class Writer {
  readonly changes: Uint8Array[] = []
  document: Automerge.Doc<Value>
  #edits: ((draft: Value) => void)[] = []
  #ops = 0
  #bytes = 0

  constructor(document: Automerge.Doc<Value>) {
    this.document = document
  }

  flush(): void {
    const edits = this.#edits
    this.#edits = []
    this.#ops = 0
    this.#bytes = 0
    if (edits.length === 0) return
    this.document = Automerge.change(this.document, { time: 0 }, (draft) => {
      for (const edit of edits) edit(draft)
    })
    const made = Automerge.getLastLocalChange(this.document)
    if (made !== undefined) this.changes.push(made)
  }

  /** Containers of the schema that a plugin has taken away. */
  remove(value: Value, path: Path): void {
    for (const key of Object.keys(valueAt(this.document, path) as Value)) {
      if (!Object.hasOwn(value, key)) this.#add(1, bytesPerOp, (draft) => delete (valueAt(draft, path) as Value)[key])
    }
  }

  /** What lies in a container, into the one at the same place. */
  fill(source: Automerge.Doc<Value>, value: unknown, path: Path): void {
    if (typeof value === 'string') this.#text(source, path)
    else if (Array.isArray(value))
      for (const [index, item] of value.entries()) this.#put(source, item, [...path, index])
    else for (const [key, item] of Object.entries(value as Value)) this.#put(source, item, [...path, key])
  }

  #put(source: Automerge.Doc<Value>, value: unknown, path: Path): void {
    const kind = containerOf(value)
    if (kind === undefined) {
      this.#add(1, sizeOf(value), (draft) => setAt(draft, path, scalarOf(value)))
      return
    }
    // The containers of the schema are there already.
    const isThere = containerOf(valueAt(this.document, path)) === kind
    if (!isThere) this.#add(1, bytesPerOp, (draft) => setAt(draft, path, emptyOf(kind)))
    else if (kind === 'map') this.remove(value as Value, path)
    this.fill(source, value, path)
  }

  #text(source: Automerge.Doc<Value>, path: Path): void {
    let at = 0
    for (const span of Automerge.spans(source, path)) {
      const start = at
      if (span.type === 'block') {
        const block = structuredClone(span.value)
        this.#add(2 + Object.keys(block).length, JSON.stringify(block).length * bytesPerOp, (draft) =>
          Automerge.splitBlock(draft, path, start, block),
        )
        at += 1
        continue
      }
      for (const piece of pieces(span.value)) {
        const from = at
        this.#add(piece.length, 2 * piece.length, (draft) => Automerge.splice(draft, path, from, 0, piece))
        at += piece.length
      }
    }
    for (const { name, value, start, end } of Automerge.marks(source, path)) {
      this.#add(2, 64 + String(value).length, (draft) =>
        Automerge.mark(draft, path, { start, end, expand: 'after' }, name, value),
      )
    }
  }

  #add(ops: number, bytes: number, edit: (draft: Value) => void): void {
    if (this.#ops + ops > maxOps || this.#bytes + bytes > maxBytes) this.flush()
    this.#edits.push(edit)
    this.#ops += ops
    this.#bytes += bytes
  }
}

type Container = 'text' | 'list' | 'map'

function containerOf(value: unknown): Container | undefined {
  if (typeof value === 'string') return 'text'
  if (Array.isArray(value)) return 'list'
  if (typeof value !== 'object' || value === null) return undefined
  const isScalar =
    value instanceof Date ||
    value instanceof Uint8Array ||
    Automerge.isCounter(value) ||
    Automerge.isImmutableString(value)
  return isScalar ? undefined : 'map'
}

const emptyOf = (kind: Container): unknown => (kind === 'text' ? '' : kind === 'list' ? [] : {})

/** A value of its own: those of the source belong to it. */
function scalarOf(value: unknown): unknown {
  if (Automerge.isCounter(value)) return new Automerge.Counter(value.value)
  if (Automerge.isImmutableString(value)) return new Automerge.ImmutableString(value.toString())
  if (value instanceof Date) return new Date(value)
  return value instanceof Uint8Array ? Uint8Array.from(value) : value
}

function sizeOf(value: unknown): number {
  if (value instanceof Uint8Array) return value.length
  return Automerge.isImmutableString(value) ? 3 * value.toString().length : 16
}

const valueAt = (root: unknown, path: Path): unknown =>
  path.reduce<unknown>((at, key) => (containerOf(at) === undefined ? undefined : (at as Value)[key]), root)

function setAt(draft: Value, path: Path, value: unknown): void {
  const parent = path.slice(0, -1).reduce<unknown>((at, key) => (at as Value)[key], draft)
  const key = path.at(-1)
  if (Array.isArray(parent)) parent.push(value)
  else (parent as Value)[String(key)] = value
}

/** Parts of at most so many operations, never inside a surrogate pair. */
function* pieces(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + maxOps / 2)
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end -= 1
    yield text.slice(at, end)
    at = end
  }
}

/** Keys come in another order when they were written in another. */
const sorted = (json: string | undefined): string =>
  JSON.stringify(JSON.parse(json ?? 'null'), (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
