/** Changes that are well encoded but whose operations are not what Automerge makes; checksums repaired. */
import type { BrokenChange } from './broken-chunks.ts'
import { at, broken, bytes, giveValue } from './rich-operations.ts'

export const brokenOperations: readonly BrokenChange[] = [
  ...[8, 9, 100].map((code) =>
    broken('action-unknown', `action ${code}`, ({ putTwice }) => {
      putTwice.action = code
    }),
  ),
  broken('action-unknown', 'a table', ({ makeDeep }) => {
    makeDeep.action = 6
  }),
  ...[10, 11, 15].map((type) =>
    broken('value-type', `value type ${type}`, ({ putTwice }) => giveValue(putTwice, 16 + type, 1)),
  ),
  broken('value-length', 'a last value longer than the column', ({ unsigned }) => {
    unsigned.meta += 16
  }),
  broken('value-length', 'a byte that no value has', ({ markEnd }) => {
    markEnd.value = bytes(0)
  }),
  broken('value-length', 'a value of 2^40 bytes', ({ putTwice }) => {
    putTwice.meta = 16 * 2 ** 40 + 7
  }),
  broken('value-form', 'true with a byte', ({ putTwice }) => giveValue(putTwice, 0x12, 1)),
  broken('value-form', 'null with a byte', ({ putTwice }) => giveValue(putTwice, 0x10, 1)),
  broken('value-form', 'a float of four bytes', ({ float }) => giveValue(float, 0x45, 0, 0, 0, 0)),
  broken('value-form', 'a long unsigned number', ({ unsigned }) => giveValue(unsigned, 0x23, 0x81, 0)),
  broken('value-form', 'an unsigned number of 65 bits', ({ unsigned }) =>
    giveValue(unsigned, 0xa3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2),
  ),
  broken('value-form', 'a long signed number', ({ putTwice }) => giveValue(putTwice, 0x24, 0xff, 0x7f)),
  broken('value-form', 'a signed number of 65 bits', ({ putTwice }) =>
    giveValue(putTwice, 0xa4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
  ),
  broken('value-form', 'an empty number', ({ putTwice }) => giveValue(putTwice, 0x04)),
  broken('value-form', 'two numbers', ({ timestamp }) => giveValue(timestamp, 0x29, 1, 1)),
  broken('value-form', 'a number without its end', ({ counter }) => giveValue(counter, 0x28, 0x80, 0x80)),
  broken('value-misplaced', 'a deletion with a value', ({ deleteChar }) => giveValue(deleteChar, 0x01)),
  broken('value-misplaced', 'a new map with a value', ({ makeDeep }) => giveValue(makeDeep, 0x14, 1)),
  broken('value-misplaced', 'the end of a mark with a value', ({ markEnd }) => giveValue(markEnd, 0x02)),
  broken('utf8', 'a text value', ({ firstChar }) => giveValue(firstChar, 0x16, 0xff)),
  broken('utf8', 'the name of a mark', ({ markBegin }) => {
    markBegin.mark = bytes(0xff)
  }),

  broken('insert-action', 'an inserted deletion', ({ deleteItem }) => {
    deleteItem.insert = true
    deleteItem.preds = []
  }),
  broken('insert-action', 'an inserted increment', ({ increment }) => {
    Object.assign(increment, { insert: true, preds: [], obj: [1, 7], key: null, elem: 'head' })
  }),
  broken('insert-action', 'an inserted map key', ({ timestamp }) => {
    timestamp.insert = true
  }),
  broken('insert-pred', 'an insertion with a predecessor', ({ secondChar }) => {
    secondChar.preds = [[0, at.firstChar]]
  }),
  broken('inc-value', 'an unsigned increment', ({ increment }) => {
    increment.meta = 0x13
  }),
  broken('inc-value', 'an increment by a counter', ({ increment }) => {
    increment.meta = 0x18
  }),
  broken('inc-value', 'an increment by nothing', ({ increment }) => giveValue(increment, 0)),
  broken('inc-counter', 'an increment of a number', ({ counter }) => {
    counter.meta = 0x24
  }),
  broken('inc-counter', 'an increment of a map', ({ counter }) => {
    counter.action = 0
    giveValue(counter, 0)
  }),
  broken('mark-form', 'a mark that is no insertion', ({ markBegin }) => {
    markBegin.insert = false
    markBegin.preds = [[1, 2]]
  }),
  broken('mark-form', 'a value with a name', ({ timestamp }) => {
    timestamp.mark = 'bold'
  }),
  broken('mark-form', 'a value that expands', ({ timestamp }) => {
    timestamp.expand = true
  }),
  broken('mark-pair', 'a begin without end', (_, all) => void all.pop()),
  broken('mark-pair', 'an end without begin', (_, all) => void all.splice(-2, 1)),
  broken('mark-pair', 'two ends', ({ markEnd }, all) => void all.push({ ...markEnd })),
  broken('mark-pair', 'two begins', ({ markBegin }, all) => void all.splice(-1, 0, { ...markBegin })),
  broken('mark-pair', 'an end in another text', ({ markEnd }) => {
    markEnd.obj = [0, at.makeText]
    markEnd.elem = [0, at.secondChar]
  }),
  broken('mark-order', 'an end at the head', ({ markEnd }) => {
    markEnd.elem = 'head'
  }),
  broken('mark-order', 'an end where the begin is', ({ markEnd, markBegin }) => {
    markEnd.elem = markBegin.elem
  }),
]
