/** Copies a value of an earlier state of a document into the present one. Keeps: numbers, dates, bytes stay of their kind. */
import type { Engine } from './timeline.ts'

export interface Place {
  readonly object: string
  readonly prop: string | number
  /** Put in before what is there. */
  readonly isNew?: boolean
}

/** Told of each operation that is made, by its place among those of the change, and of the one that it stands for. */
export type OnCopied = (index: number, old: string) => void

type Value = readonly unknown[]
const containers = { map: {}, table: {}, list: [], text: '' } as const
type Container = keyof typeof containers

const isContainer = (type: unknown): type is Container => Object.hasOwn(containers, String(type))

/** The operation that made a value, of what `getAll` tells of it. */
export const idOf = ([type, inner, id]: Value): string => String(isContainer(type) ? inner : id)

/** The value that is shown, with its operation. */
export const shownAt = (engine: Engine, object: string, prop: string | number, heads?: string[]): Value | undefined =>
  engine.getAll(object, prop, heads).at(-1)

export function putCopy(engine: Engine, place: Place, value: Value, heads: string[], onCopied: OnCopied): void {
  const { object, prop, isNew = false } = place
  const [type, inner] = value
  onCopied(engine.pendingOps(), idOf(value))
  if (!isContainer(type)) {
    const [scalar, datatype] = [inner as never, type as never]
    if (isNew) engine.insert(object, Number(prop), scalar, datatype)
    else engine.put(object, prop, scalar, datatype)
    return
  }
  const empty = containers[type] as never
  const made = isNew ? engine.insertObject(object, Number(prop), empty) : engine.putObject(object, prop, empty)
  const source = String(inner)
  if (type === 'text') {
    const text = engine.text(source, heads)
    const first = engine.pendingOps()
    engine.splice(made, 0, 0, text)
    for (let at = 0, n = 0; at < text.length; at += String.fromCodePoint(text.codePointAt(at) ?? 0).length, n++) {
      onCopied(first + n, engine.getCursor(source, at, heads))
    }
    return
  }
  const props = type === 'list' ? [...Array(engine.length(source, heads)).keys()] : engine.keys(source, heads)
  for (const each of props) {
    const item = shownAt(engine, source, each, heads)
    if (item !== undefined) putCopy(engine, { object: made, prop: each, isNew: type === 'list' }, item, heads, onCopied)
  }
}

/** What an object holds, with what its operations stand for: equal only if nothing in it was written since. */
export function copyValue(engine: Engine, object: string, rootOf: (id: string) => string, heads?: string[]): unknown {
  const { type } = engine.objInfo(object)
  if (type === 'text') return [engine.text(object, heads)]
  const props = type === 'list' ? [...Array(engine.length(object, heads)).keys()] : engine.keys(object, heads)
  return props.map((prop) => [
    prop,
    engine.getAll(object, prop, heads).map((value: Value): unknown => {
      const inner = isContainer(value[0]) ? copyValue(engine, String(value[1]), rootOf, heads) : String(value[1])
      return [rootOf(idOf(value)), inner]
    }),
  ])
}
