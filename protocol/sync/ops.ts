/**
 * Checks the operations of a change against each other and collects what can only be checked with the block at hand:
 * the objects it writes to. Keeps the invariant that every reference within the change points at an operation that was
 * there before and is of the right kind; references to other changes are left to `admitChange` and to the view.
 */
import { absent } from './columns.ts'
import type { OpColumns } from './op-columns.ts'
import { refuse } from './structure-rules.ts'
import { checkValueForm, valueType } from './values.ts'

/** Kind of an object. A map and a table are written by key, a list and a text by element. No change can make a table. */
export type ObjectType = 'map' | 'list' | 'text' | 'table'
/** How an object is written: by `map` key or by `seq` element. */
export type KeyKind = 'map' | 'seq'

export const keyKindOf = (type: ObjectType): KeyKind => (type === 'map' || type === 'table' ? 'map' : 'seq')

/** An object that a change makes. */
export interface MadeObject {
  /** `<counter>@<actor hex>` of the operation. */
  readonly opId: string
  readonly type: ObjectType
  /** Object it lies in, `_root` or an operation id. */
  readonly parent: string
}

/** An object made by an earlier change that this one writes to. The root is not listed: it always exists. */
export interface TouchedObject {
  readonly object: string
  readonly key: KeyKind
}

/** The format also has 6 for a table, which Automerge decodes but panics on when it applies. */
const action = { makeMap: 0, set: 1, makeList: 2, del: 3, makeText: 4, inc: 5, mark: 7 } as const
const knownActions: ReadonlySet<number> = new Set(Object.values(action))
const made: readonly (ObjectType | undefined)[] = ['map', undefined, 'list', undefined, 'text']

/** What the header of a change says about the ids in it. */
export interface OpContext {
  readonly startOp: number
  /** The author first, then the other actors, as lower-case hex. */
  readonly actors: readonly string[]
}

/** The newest operation of an earlier change of one actor that this change names. */
export interface NamedOperation {
  readonly actor: string
  readonly counter: number
}

interface Collected {
  readonly made: MadeObject[]
  readonly touched: TouchedObject[]
  readonly named: NamedOperation[]
}

/** @throws `bad-change` with the rule that is broken. */
export function checkOps(ops: OpColumns, context: OpContext): Collected {
  return new OpCheck(ops, context).run()
}

/** One pass over the rows, in order: a row may only refer to rows before it. */
class OpCheck {
  readonly #ops: OpColumns
  readonly #startOp: number
  readonly #actors: readonly string[]
  readonly #used: boolean[]
  /** Position of each actor of the change in the order of all actors, for comparing operation ids. */
  readonly #rank: number[]
  readonly #made: MadeObject[] = []
  readonly #touched = new Map<string, KeyKind>()
  /** Highest counter of an operation before this change that is named, by actor. */
  readonly #highest: number[]
  #valueAt: number
  #predAt = 0
  /** The last object looked at: text edits name the same one over and over. */
  #lastActor = absent
  #lastCtr = absent
  #lastKind: KeyKind | undefined

  constructor(ops: OpColumns, context: OpContext) {
    this.#ops = ops
    this.#startOp = context.startOp
    this.#actors = context.actors
    this.#used = context.actors.map((_, index) => index === 0)
    this.#highest = context.actors.map(() => 0)
    const author = context.actors[0] ?? ''
    const before = context.actors.filter((actor, index) => index > 0 && actor < author).length
    this.#rank = context.actors.map((_, index) => (index === 0 ? before : index <= before ? index - 1 : index))
    this.#valueAt = ops.val.from
  }

  run(): Collected {
    const { count, action: actions, insert, markName, expand } = this.#ops
    for (let row = 0; row < count; row++) {
      const code = actions[row] as number
      if (!knownActions.has(code)) refuse('action-unknown')
      this.#checkObject(row, this.#checkKey(row))
      const inserts = insert[row] as boolean
      if (inserts && (code === action.del || code === action.inc)) refuse('insert-action')
      this.#checkValue(row, code)
      this.#checkPreds(row, code, inserts)
      if (code === action.mark) this.#checkMark(row, inserts)
      else if (markName?.[row] !== undefined || expand?.[row] === true) refuse('mark-form')
      const type = made[code]
      if (type !== undefined) {
        this.#made.push({ opId: this.#idOf(0, this.#startOp + row), type, parent: this.#objectId(row) })
      }
    }
    if (this.#valueAt !== this.#ops.val.to) refuse('value-length')
    if (this.#used.includes(false)) refuse('actor-unused')
    const touched = Array.from(this.#touched, ([object, key]) => ({ object, key }))
    const named = this.#actors.map((actor, index) => ({ actor, counter: this.#highest[index] ?? 0 }))
    return { made: this.#made, touched, named: named.filter(({ counter }) => counter > 0) }
  }

  #idOf(actor: number, ctr: number): string {
    return `${ctr}@${this.#actors[actor]}`
  }

  #objectId(row: number): string {
    const ctr = this.#ops.objCtr?.[row] ?? absent
    return ctr === absent ? '_root' : this.#idOf(this.#ops.objActor?.[row] ?? 0, ctr)
  }

  /** An id is known to be earlier when it is below the counters of this change, or the author's own and above `row`. */
  #checkId(row: number, actor: number, ctr: number): void {
    if (actor >= this.#actors.length) refuse('actor-index')
    this.#used[actor] = true
    if (ctr >= this.#startOp + (actor === 0 ? row : 0)) refuse('future-reference')
    if (ctr < this.#startOp && ctr > (this.#highest[actor] ?? 0)) this.#highest[actor] = ctr
  }

  /** Row of an id within this change, or −1 for an operation of another change. */
  #rowOf(actor: number, ctr: number): number {
    return actor === 0 && ctr >= this.#startOp ? ctr - this.#startOp : -1
  }

  #checkKey(row: number): KeyKind {
    const { keyActor, keyCtr, keyStr, insert } = this.#ops
    const actor = keyActor?.[row] ?? absent
    const ctr = keyCtr?.[row] ?? absent
    const key = keyStr?.[row]
    if (key !== undefined) {
      if (actor !== absent || ctr !== absent) refuse('key-form')
      if (insert[row] === true) refuse('insert-action')
      // The one key that is not an ordinary property of the JavaScript objects that a document becomes.
      if (key === '__proto__') refuse('key-proto')
      return 'map'
    }
    if (ctr === absent) refuse('key-form')
    if (ctr === 0) {
      if (actor !== absent) refuse('key-form')
      if (insert[row] !== true) refuse('key-head')
      return 'seq'
    }
    if (actor === absent) refuse('key-form')
    this.#checkId(row, actor, ctr)
    // An element was inserted after its object was made.
    if (ctr <= (this.#ops.objCtr?.[row] ?? absent)) refuse('reference-order')
    const target = this.#rowOf(actor, ctr)
    if (target >= 0 && (insert[target] !== true || !this.#sameObject(row, target))) refuse('key-missing')
    return 'seq'
  }

  #checkObject(row: number, kind: KeyKind): void {
    const actor = this.#ops.objActor?.[row] ?? absent
    const ctr = this.#ops.objCtr?.[row] ?? absent
    if (this.#lastKind === kind && this.#lastActor === actor && this.#lastCtr === ctr) return
    if (actor === absent || ctr === absent) {
      if (actor !== ctr) refuse('object-id')
      if (kind !== 'map') refuse('object-kind')
    } else {
      if (ctr === 0) refuse('object-id')
      this.#checkId(row, actor, ctr)
      const target = this.#rowOf(actor, ctr)
      if (target >= 0) {
        const type = made[this.#ops.action[target] as number]
        if (type === undefined) refuse('object-missing')
        if (keyKindOf(type) !== kind) refuse('object-kind')
      } else {
        const id = this.#idOf(actor, ctr)
        if ((this.#touched.get(id) ?? kind) !== kind) refuse('object-kind')
        this.#touched.set(id, kind)
      }
    }
    this.#lastActor = actor
    this.#lastCtr = ctr
    this.#lastKind = kind
  }

  #sameObject(row: number, other: number): boolean {
    const { objActor, objCtr } = this.#ops
    return objCtr?.[row] === objCtr?.[other] && objActor?.[row] === objActor?.[other]
  }

  #checkValue(row: number, code: number): void {
    const meta = this.#ops.valMeta[row] as number
    const type = meta % 16
    const length = (meta - type) / 16
    const from = this.#valueAt
    const to = from + length
    if (to > this.#ops.val.to) refuse('value-length')
    this.#valueAt = to
    checkValueForm(this.#ops.val, type, from, to)
    if (code === action.set || code === action.mark) return
    if (code === action.inc) {
      if (type !== valueType.signed) refuse('inc-value')
    } else if (type !== valueType.null) refuse('value-misplaced')
  }

  #checkPreds(row: number, code: number, inserts: boolean): void {
    const { predActor, predCtr, predNum, keyStr } = this.#ops
    const size = predNum[row] as number
    const from = this.#predAt
    this.#predAt += size
    if (inserts) {
      if (size > 0) refuse('insert-pred')
      return
    }
    // A value in place of an element always replaces the element that is there; only a map key may be new.
    if (size === 0 && (keyStr?.[row] === undefined || code === action.del || code === action.inc))
      refuse('pred-missing')
    const elementActor = this.#ops.keyActor?.[row] ?? absent
    const elementCtr = this.#ops.keyCtr?.[row] ?? absent
    // A value is younger than its object and its element, unless it is the insertion of the element itself.
    const youngerThan = Math.max(elementCtr, this.#ops.objCtr?.[row] ?? absent)
    let beforeCtr = absent
    let beforeRank = absent
    for (let at = from; at < from + size; at++) {
      const actor = predActor[at] as number
      const ctr = predCtr[at] as number
      this.#checkId(row, actor, ctr)
      const rank = this.#rank[actor] as number
      if (ctr < 1 || ctr < beforeCtr || (ctr === beforeCtr && rank <= beforeRank)) refuse('pred-order')
      beforeCtr = ctr
      beforeRank = rank
      if (ctr <= youngerThan && (ctr !== elementCtr || actor !== elementActor)) refuse('reference-order')
      const target = this.#rowOf(actor, ctr)
      if (target >= 0) this.#checkOwnPred(row, code, target)
    }
  }

  #checkOwnPred(row: number, code: number, target: number): void {
    const { action: actions, insert, keyActor, keyCtr, keyStr, valMeta } = this.#ops
    if (!this.#sameObject(row, target)) refuse('pred-key')
    const key = keyStr?.[row]
    if (key !== undefined) {
      if (keyStr?.[target] !== key) refuse('pred-key')
    } else {
      // The element of an insertion is the insertion itself.
      const element = this.#rowOf(keyActor?.[row] ?? absent, keyCtr?.[row] ?? absent)
      if (insert[target] === true) {
        if (element !== target) refuse('pred-key')
      } else if (keyActor?.[target] !== keyActor?.[row] || keyCtr?.[target] !== keyCtr?.[row]) refuse('pred-key')
    }
    const replaced = actions[target] as number
    if (replaced === action.del || replaced === action.inc || replaced === action.mark) refuse('pred-action')
    if (code === action.inc && (replaced !== action.set || (valMeta[target] as number) % 16 !== valueType.counter)) {
      refuse('inc-counter')
    }
  }

  /** A mark is two insertions, one right after the other; one without a name ends the one before it. */
  #checkMark(row: number, inserts: boolean): void {
    const { action: actions, count, keyActor, keyCtr, markName, valMeta } = this.#ops
    if (!inserts) refuse('mark-form')
    const isMark = (other: number): boolean => other >= 0 && other < count && actions[other] === action.mark
    if (markName?.[row] === undefined) {
      if (valMeta[row] !== valueType.null) refuse('value-misplaced')
      if (!isMark(row - 1) || markName?.[row - 1] === undefined || !this.#sameObject(row, row - 1)) refuse('mark-pair')
      // At the head, or where the begin was inserted, the end would come to lie before the begin.
      const ctr = keyCtr?.[row]
      if (ctr === 0 || (ctr === keyCtr?.[row - 1] && keyActor?.[row] === keyActor?.[row - 1])) refuse('mark-order')
    } else if (!isMark(row + 1) || markName[row + 1] !== undefined) refuse('mark-pair')
  }
}
