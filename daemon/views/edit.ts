/**
 * Makes one change of a document from steps, as a given actor. Keeps: the document that is held stays as it is, whatever the
 * steps ask for; what they cost is counted before it is done, because one deletion may be millions of operations.
 */
import type * as Automerge from '@automerge/automerge'
import type { EditStep, EditValue } from '../../protocol/edit-shapes.ts'
import type { ActorId, ChangeHash, PeerId } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { writeNote } from './history/note.ts'
import type { Engine } from './history/timeline.ts'
import type { MadeChange } from './view-steps.ts'

type Key = string | number

export interface EditOrder {
  readonly actor: ActorId
  readonly timeS: number
  /** Whom it is made for. */
  readonly writtenFor: PeerId
  readonly steps: readonly EditStep[]
  readonly heads: readonly ChangeHash[] | undefined
}

/** As many as a detail has room for. */
const maxHeadsTold = 7

/** What is wrong with a step; said to who made it. */
class StepFault extends Error {
  readonly code: 'bad-edit' | 'change-too-large'

  constructor(detail: string, code: 'bad-edit' | 'change-too-large' = 'bad-edit') {
    super(detail)
    this.code = code
  }
}

export function edit(engine: Engine, { actor, timeS, writtenFor, steps, heads }: EditOrder): MadeChange {
  const before = engine.getHeads().toSorted() as ChangeHash[]
  if (heads !== undefined && heads.toSorted().join() !== before.join()) {
    return { refused: { code: 'heads-differ', detail: before.slice(0, maxHeadsTold).join(' ') } }
  }
  // A millisecond also for a long text; a change that was made cannot be taken back from the document itself.
  const fork = engine.fork(actor)
  try {
    const editor = new Editor(fork)
    for (const [index, step] of steps.entries()) {
      try {
        editor.take(step)
      } catch (error) {
        if (!isRefusal(error)) throw error
        const code = error instanceof StepFault ? error.code : 'bad-edit'
        const detail = `step ${index + 1}, ${step.do} ${shown(step.path)}: ${error.message}`
        return { refused: { code, detail } }
      }
    }
    if (fork.pendingOps() === 0) return { before, heads: before }
    fork.commit(writeNote({ peer: writtenFor, kind: 'edit' }), timeS)
    const bytes = fork.getLastLocalChange() ?? undefined
    return { before, heads: fork.getHeads().toSorted() as ChangeHash[], ...(bytes === undefined ? {} : { bytes }) }
  } finally {
    fork.free()
  }
}

class Editor {
  readonly #engine: Engine
  #ops = 0

  constructor(engine: Engine) {
    this.#engine = engine
  }

  take(step: EditStep): void {
    const [parent, key] = [this.#container(step.path.slice(0, -1)), step.path.at(-1) ?? '']
    if (step.do === 'insert') this.#insert(parent, key, step.value, step.path.length)
    else if (step.do === 'set') this.#set(parent, this.#keyOf(parent, key), step.value, step.path.length)
    else {
      const at = this.#keyOf(parent, key)
      const found = this.#engine.getWithType(parent, at)
      if (found === null) throw new StepFault('there is nothing')
      if (step.do === 'splice') this.#splice(found, step)
      else if (step.do === 'increment') this.#increment(parent, at, found, step.by)
      else this.#delete(parent, at)
    }
  }

  /** The list or map at a path. */
  #container(path: readonly Key[]): string {
    let object = '_root'
    for (const [index, key] of path.entries()) {
      const found = this.#engine.getWithType(object, this.#keyOf(object, key))
      if (found === null) throw new StepFault(`there is nothing at ${shown(path.slice(0, index + 1))}`)
      if (found[0] !== 'map' && found[0] !== 'list') {
        throw new StepFault(`${shown(path.slice(0, index + 1))} is no map and no list`)
      }
      object = found[1]
    }
    return object
  }

  /** What a key means, its container says: a list has positions, a map has names. */
  #keyOf(object: string, key: Key): Key {
    if (this.#isList(object)) {
      const at = positionOf(key)
      const length = this.#engine.length(object)
      if (at === undefined) throw new StepFault('a position in a list is a number')
      if (at >= length) throw new StepFault(`the list has ${length} items`)
      return at
    }
    if (key === '__proto__') throw new StepFault('the map key __proto__ is not taken')
    return String(key)
  }

  #isList(object: string): boolean {
    return object !== '_root' && this.#engine.objInfo(object).type === 'list'
  }

  #insert(list: string, key: Key, value: EditValue, depth: number): void {
    if (!this.#isList(list)) throw new StepFault('only a list takes items')
    const length = this.#engine.length(list)
    const at = key === '-' ? length : positionOf(key)
    if (at === undefined) throw new StepFault('a position in a list is a number, or - for its end')
    if (at > length) throw new StepFault(`the list has ${length} items`)
    this.#put(list, at, value, depth, true)
  }

  #set(parent: string, key: Key, value: EditValue, depth: number): void {
    const found = this.#engine.getWithType(parent, key)
    if (found?.[0] === 'text' && typeof value === 'string') this.#retext(found[1], value)
    else if (found?.[0] === 'list' && isList(value)) this.#refill(found[1], value, depth)
    else if (found?.[0] === 'map' && scalarOf(value) === undefined && isMap(value)) this.#remap(found[1], value, depth)
    else if (found?.[0] === 'counter' && typeof value === 'number') {
      this.#put(parent, key, { $counter: value }, depth, false)
    } else if (found?.[0] === 'timestamp' && typeof value === 'string') {
      this.#put(parent, key, { $timestamp: value }, depth, false)
    } else this.#put(parent, key, value, depth, false)
  }

  /** Only what is between the beginning and the end that stay: what others write there at the same time is kept. */
  #retext(text: string, value: string): void {
    const present = this.#engine.text(text)
    const most = Math.min(present.length, value.length)
    let start = 0
    while (start < most && present.charCodeAt(start) === value.charCodeAt(start)) start++
    if (isInsidePair(present, start) || isInsidePair(value, start)) start--
    let end = 0
    while (end < most - start && present.at(-1 - end) === value.at(-1 - end)) end++
    if (isInsidePair(present, present.length - end) || isInsidePair(value, value.length - end)) end--
    const removed = present.length - end - start
    const added = value.slice(start, value.length - end)
    if (removed === 0 && added === '') return
    this.#count(removed + added.length)
    this.#engine.splice(text, start, removed, added)
  }

  #refill(list: string, value: readonly EditValue[], depth: number): void {
    const length = this.#engine.length(list)
    this.#count(length)
    for (let at = length - 1; at >= 0; at--) this.#engine.delete(list, at)
    for (const [at, item] of value.entries()) this.#put(list, at, item, depth + 1, true)
  }

  #remap(map: string, value: { readonly [key: string]: EditValue }, depth: number): void {
    for (const key of this.#engine.keys(map)) if (!Object.hasOwn(value, key)) this.#delete(map, key)
    for (const [key, item] of Object.entries(value)) this.#set(map, this.#keyOf(map, key), item, depth + 1)
  }

  #splice(found: readonly unknown[], { at, remove, text }: Extract<EditStep, { do: 'splice' }>): void {
    if (found[0] !== 'text') throw new StepFault('is no text')
    const object = String(found[1])
    const length = this.#engine.length(object)
    const from = at ?? length
    if (from + remove > length) throw new StepFault(`the text has ${length} characters`)
    if (!text.isWellFormed()) throw new StepFault('half a character cannot be written')
    this.#count(remove + text.length)
    if (remove > 0 || text !== '') this.#engine.splice(object, from, remove, text)
  }

  #increment(parent: string, key: Key, found: readonly unknown[], by: number): void {
    if (found[0] !== 'counter') throw new StepFault('is no counter')
    if (!Number.isSafeInteger(Number(found[1]) + by)) throw new StepFault('the counter would be too large')
    this.#count(1)
    this.#engine.increment(parent, key, by)
  }

  #delete(parent: string, key: Key): void {
    this.#count(1)
    this.#engine.delete(parent, key)
  }

  /** @param depth of what is put */
  #put(parent: string, key: Key, value: EditValue, depth: number, isNew: boolean): void {
    this.#count(1)
    const scalar = scalarOf(value)
    if (scalar !== undefined) {
      if (isNew) this.#engine.insert(parent, key as number, ...scalar)
      else this.#engine.put(parent, key, ...scalar)
      return
    }
    if (depth > limits.maxObjectDepth) throw new StepFault('is nested too deep')
    const kind = typeof value === 'string' ? '' : isList(value) ? [] : {}
    const made = isNew
      ? this.#engine.insertObject(parent, key as number, kind)
      : this.#engine.putObject(parent, key, kind)
    if (typeof value === 'string') {
      this.#count(value.length)
      if (value !== '') this.#engine.splice(made, 0, 0, value)
    } else if (isList(value)) for (const [at, item] of value.entries()) this.#put(made, at, item, depth + 1, true)
    else if (isMap(value)) {
      for (const [name, item] of Object.entries(value)) {
        this.#put(made, this.#keyOf(made, name), item, depth + 1, false)
      }
    }
  }

  #count(ops: number): void {
    this.#ops += ops
    if (this.#ops <= limits.maxOpsPerFrame) return
    const detail = `one edit has at most ${limits.maxOpsPerFrame} operations; a character that is written or deleted is one`
    throw new StepFault(detail, 'change-too-large')
  }
}

/** As the engine takes it; undefined for a text, list or map. */
function scalarOf(value: EditValue): [Automerge.ScalarValue, ScalarKind] | undefined {
  if (value === null) return [null, 'null']
  if (typeof value === 'boolean') return [value, 'boolean']
  if (typeof value === 'number') return [value, Number.isSafeInteger(value) ? 'int' : 'f64']
  if (value instanceof Uint8Array) return [value, 'bytes']
  if (typeof value === 'string' || isList(value) || !isMap(value)) return undefined
  const [entry, ...more] = Object.entries(value)
  if (entry === undefined || more.length > 0) return undefined
  const [name, given] = entry
  if (name === '$counter') {
    if (typeof given !== 'number' || !Number.isSafeInteger(given)) throw new StepFault('$counter is a whole number')
    return [given, 'counter']
  }
  if (name === '$timestamp') {
    const ms = typeof given === 'string' ? Date.parse(given) : Number.NaN
    if (Number.isNaN(ms)) throw new StepFault('$timestamp is a time as in ISO 8601')
    return [new Date(ms), 'timestamp']
  }
  if (name !== '$bytes') return undefined
  if (typeof given !== 'string') throw new StepFault('$bytes is base64')
  return [new Uint8Array(Buffer.from(given, 'base64')), 'bytes']
}

type ScalarKind = 'null' | 'boolean' | 'int' | 'f64' | 'bytes' | 'counter' | 'timestamp'

const positionOf = (key: Key): number | undefined =>
  typeof key === 'number' ? key : /^\d{1,9}$/.test(key) ? Number(key) : undefined

const isList = (value: EditValue): value is readonly EditValue[] => Array.isArray(value)
const isMap = (value: EditValue): value is { readonly [key: string]: EditValue } =>
  typeof value === 'object' && value !== null && !isList(value) && !(value instanceof Uint8Array)

const isInsidePair = (text: string, at: number): boolean =>
  at > 0 && at < text.length && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800

/** What the engine says of a call that does not fit; anything else is a fault of this program, or of the block. */
const isRefusal = (error: unknown): error is Error =>
  error instanceof StepFault || error instanceof RangeError || error instanceof TypeError

const shown = (path: readonly Key[]): string =>
  path
    .map((key) => String(key).slice(0, 40))
    .join('.')
    .slice(0, 80)
