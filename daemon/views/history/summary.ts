/** What some changes did, in a line. Keeps: it is short, whatever is in them; names that others chose are cut and quoted. */
import type * as Automerge from '@automerge/automerge'
import type { Engine } from './timeline.ts'

const maxNames = 3
const maxNameChars = 24

type Op = Automerge.DecodedChange['ops'][number]

export function summarise(engine: Engine, changes: readonly Automerge.DecodedChange[]): string {
  const kinds = new Map<string, boolean>()
  const count = { written: 0, deleted: 0, inserted: 0, removed: 0, counted: 0, marked: 0 }
  const set = new Set<string>()
  const unset = new Set<string>()
  const isText = (object: string): boolean => {
    const known = kinds.get(object)
    if (known !== undefined) return known
    const is = isTextIn(engine, object)
    kinds.set(object, is)
    return is
  }
  for (const { ops } of changes) {
    for (const op of ops as readonly (Op & { readonly insert?: boolean })[]) {
      if (op.action === 'inc') count.counted += 1
      else if (op.action === 'mark') count.marked += 1
      else if (op.key !== undefined) (op.action === 'del' ? unset : set).add(op.key)
      else if (op.action === 'del') count[isText(op.obj) ? 'deleted' : 'removed'] += 1
      else count[isText(op.obj) ? 'written' : 'inserted'] += 1
    }
  }
  const parts = [
    counted('wrote', count.written, 'character'),
    counted('deleted', count.deleted, 'character'),
    named('set', set),
    named('removed', unset),
    counted('put', count.inserted, 'item'),
    counted('removed', count.removed, 'item'),
    counted('counted', count.counted, 'time'),
    count.marked > 0 ? 'marked text' : '',
  ].filter((part) => part !== '')
  return parts.length === 0 ? 'joined what stood side by side' : parts.join(', ')
}

function isTextIn(engine: Engine, object: string): boolean {
  try {
    return engine.objInfo(object).type === 'text'
  } catch {
    // The engine knows no object that is not there any more.
    return false
  }
}

const counted = (verb: string, times: number, noun: string): string =>
  times === 0 ? '' : `${verb} ${times} ${noun}${times === 1 ? '' : 's'}`

function named(verb: string, names: ReadonlySet<string>): string {
  if (names.size === 0) return ''
  const shown = [...names].slice(0, maxNames).map((name) => JSON.stringify(name.slice(0, maxNameChars)))
  const rest = names.size - shown.length
  return `${verb} ${shown.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}
