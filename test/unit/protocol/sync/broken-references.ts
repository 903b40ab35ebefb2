/** Changes that are well encoded but whose operations refer to each other wrongly; checksums repaired. */
import type { BrokenChange } from './broken-chunks.ts'
import { at, broken, givePreds, giveValue, startOp } from './rich-operations.ts'

export const brokenReferences: readonly BrokenChange[] = [
  broken('object-id', 'an object without counter', ({ makeDeep }) => {
    makeDeep.objHalf = 'actor'
  }),
  broken('object-id', 'an object without actor', ({ makeDeep }) => {
    makeDeep.objHalf = 'ctr'
  }),
  broken('object-id', 'counter 0', ({ makeDeep }) => {
    makeDeep.obj = [0, 0]
  }),
  broken('object-kind', 'an element of the root', ({ deleteChar }) => {
    deleteChar.obj = null
  }),
  broken('object-kind', 'an element of a map of the same change', ({ deleteChar }) => {
    deleteChar.obj = [0, at.makeText]
    deleteChar.key = 'a'
    deleteChar.elem = null
  }),
  broken('object-kind', 'an element of a map', ({ itemBytes }) => {
    itemBytes.obj = [0, at.makeMap]
    itemBytes.elem = 'head'
  }),
  broken('object-kind', 'an object of another change by key and by element', ({ putTwice }) => {
    putTwice.obj = [1, 7]
  }),
  broken('object-missing', 'a number as object', ({ timestamp }) => {
    timestamp.obj = [0, at.float]
  }),
  broken('object-missing', 'a deletion as object', ({ timestamp }) => {
    timestamp.obj = [0, at.deleteChar]
  }),
  broken('key-form', 'key and element', ({ timestamp }) => {
    timestamp.elem = [1, 8]
  }),
  broken('key-form', 'key and head', ({ timestamp }) => {
    timestamp.elem = 'head'
  }),
  broken('key-form', 'neither key nor element', ({ timestamp }) => {
    timestamp.key = null
  }),
  broken('key-form', 'the head with an actor', ({ firstChar }) => {
    firstChar.elem = [0, 0]
  }),
  broken('key-form', 'an element without actor', ({ secondChar }) => {
    secondChar.elemHalf = 'ctr'
  }),
  broken('key-form', 'an element without counter', ({ secondChar }) => {
    secondChar.elemHalf = 'actor'
  }),
  broken('key-proto', '__proto__', ({ timestamp }) => {
    timestamp.key = '__proto__'
  }),
  broken('key-head', 'a value in place of the head', ({ setItem }) => {
    setItem.elem = 'head'
  }),
  broken('key-missing', 'an element that is no insertion', ({ itemBytes }) => {
    itemBytes.elem = [0, at.float]
  }),
  broken('key-missing', 'an element of another object', ({ markEnd }) => {
    markEnd.elem = [0, at.itemText]
  }),
  broken('future-reference', 'its own id as element', ({ secondChar }) => {
    secondChar.elem = [0, at.secondChar]
  }),
  broken('future-reference', 'a later element', ({ secondChar }) => {
    secondChar.elem = [0, at.secondChar + 1]
  }),
  broken('future-reference', 'a later object', ({ makeDeep }) => {
    makeDeep.obj = [0, at.makeList]
  }),
  broken('future-reference', 'a later object of another actor', ({ timestamp }) => {
    timestamp.obj = [1, startOp]
  }),
  broken('future-reference', 'a later element of another actor', ({ markEnd }) => {
    markEnd.elem = [1, startOp]
  }),
  broken('future-reference', 'a later predecessor of another actor', ({ putAgain }) => {
    putAgain.preds = [[1, startOp]]
  }),
  broken('future-reference', 'itself as predecessor', ({ putAgain }) => {
    putAgain.preds = [[0, at.putAgain]]
  }),
  broken('actor-index', 'an object of an actor that is not listed', ({ timestamp }) => {
    timestamp.obj = [3, 1]
  }),
  broken('actor-index', 'an element of an actor that is not listed', ({ markEnd }) => {
    markEnd.elem = [3, 2]
  }),
  broken('actor-index', 'a predecessor of an actor that is not listed', ({ putAgain }) => {
    putAgain.preds = [[3, 1]]
  }),
  broken('actor-unused', 'the only use of an actor left out', ({ makeText }) => void makeText.preds.pop()),
  broken('reference-order', 'an element older than its object', ({ setItem }) => {
    setItem.elem = [1, 6]
  }),
  broken('reference-order', 'a predecessor older than its element', ({ deleteItem }) => {
    deleteItem.preds = [[1, 8]]
  }),
  broken('reference-order', 'a predecessor older than its object', ({ increment }) => {
    increment.preds = [[1, 10]]
  }),
  broken('reference-order', 'another predecessor with the counter of its element', ({ deleteItem }) => {
    deleteItem.preds = [[2, 9]]
  }),

  broken('pred-missing', 'a deleted element without predecessor', ({ deleteItem }) => {
    deleteItem.preds = []
  }),
  broken('pred-missing', 'a deleted key without predecessor', ({ timestamp }) => {
    timestamp.action = 3
    giveValue(timestamp, 0)
  }),
  broken('pred-missing', 'an increment without predecessor', ({ increment }) => {
    increment.preds = []
  }),
  broken('pred-missing', 'a replaced element without predecessor', ({ setItem }) => {
    setItem.preds = []
  }),
  broken('pred-order', 'two predecessors swapped', ({ makeText }) => void makeText.preds.reverse()),
  broken('pred-order', 'one predecessor twice', ({ makeText }) => givePreds(makeText, [1, 14], [1, 14], [2, 14])),
  broken('pred-order', 'counters swapped', ({ makeText }) => givePreds(makeText, [1, 15], [2, 14])),
  broken('pred-order', 'the author after an actor that is greater', ({ makeText }) =>
    givePreds(makeText, [1, 14], [2, 14], [0, 14]),
  ),
  broken('pred-order', 'the author before an actor that is less', ({ makeText }) =>
    givePreds(makeText, [0, 14], [1, 14], [2, 14]),
  ),
  broken('pred-order', 'counter 0', ({ putAgain }) => {
    putAgain.preds = [[0, 0]]
  }),
  broken('pred-key', 'a predecessor of another key', ({ timestamp }) => {
    timestamp.preds = [[0, at.putAgain]]
  }),
  broken('pred-key', 'a predecessor of another object', ({ ownIncrement }) => {
    ownIncrement.preds = [[0, at.float]]
  }),
  broken('pred-key', 'an insertion of another element', ({ itemBytes }) => {
    Object.assign(itemBytes, {
      obj: [0, at.makeText],
      elem: [0, at.firstChar],
      insert: false,
      preds: [[0, at.secondChar]],
    })
  }),
  broken('pred-key', 'a value of another element', ({ deleteItem }) => givePreds(deleteItem, [1, 9], [0, at.setItem])),
  broken('pred-action', 'a deletion as predecessor', ({ markEnd, markBegin }) => {
    for (const [op, key] of [
      [markBegin, 'a'],
      [markEnd, 'b'],
    ] as const) {
      Object.assign(op, { obj: null, key, elem: null, insert: false, action: 1, meta: 0, expand: false, mark: null })
    }
    Object.assign(markBegin, { obj: [1, 7], key: null, elem: [1, 9], preds: [[0, at.deleteItem]] })
  }),
  broken('pred-action', 'an increment as predecessor', ({ timestamp }) => {
    Object.assign(timestamp, { obj: [1, 11], key: 'counter', preds: [[0, at.increment]] })
  }),
]
