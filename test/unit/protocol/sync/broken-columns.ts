/** Changes whose columns are encoded in a way that Automerge's encoder does not write; checksums repaired. */
import { limits } from '../../../../protocol/limits.ts'
import { assemble, columnIds, takeApart } from '../../../fixtures/change-builder.ts'
import { join, sized, sleb, uleb, utf8 } from '../../../fixtures/change-encoding.ts'
import { samples } from '../../../fixtures/sample-changes.ts'
import type { BrokenChange } from './broken-chunks.ts'

type Name = keyof typeof columnIds

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const { rich, three } = samples

/** `three` sets the keys a, b and c: every column of it is short enough to be written by hand. */
function withColumns(columns: Partial<Record<Name, Uint8Array | undefined>>, chunk = three): Uint8Array {
  const parts = takeApart(chunk)
  const kept = parts.columns.filter(
    ({ id }) => !Object.entries(columns).some(([name]) => columnIds[name as Name] === id),
  )
  const added = Object.entries(columns).flatMap(([name, data]) =>
    data === undefined ? [] : [{ id: columnIds[name as Name], data }],
  )
  return assemble({ ...parts, columns: [...kept, ...added].sort((a, b) => a.id - b.id) })
}
const text = (value: string): Uint8Array => sized(utf8(value))
const run = (count: number, value: Uint8Array): Uint8Array => join(sleb(count), value)
const literal = (...values: Uint8Array[]): Uint8Array => join(sleb(-values.length), ...values)
const nulls = (count: number): Uint8Array => join(bytes(0), uleb(count))
const [a, b, c] = [text('a'), text('b'), text('c')] as const
const set = bytes(1)
/** Absent entries in a column that goes with `keyStr`: elements where there is no key. */
const half = { keyActor: undefined, keyCtr: undefined }

export const brokenColumns: readonly BrokenChange[] = [
  {
    rule: 'column-order',
    what: 'two columns swapped',
    bytes: () => {
      const parts = takeApart(three)
      return assemble({ ...parts, columns: parts.columns.toSpliced(1, 2, ...parts.columns.slice(1, 3).reverse()) })
    },
  },
  {
    rule: 'column-order',
    what: 'a column twice',
    bytes: () => {
      const parts = takeApart(three)
      return assemble({
        ...parts,
        columns: parts.columns.flatMap((column, at) => (at === 0 ? [column, column] : [column])),
      })
    },
  },
  ...[0, 16, 53, 82, 160, 162, 208].map((id) => ({
    rule: 'column-unknown' as const,
    what: `column ${id}`,
    bytes: () => {
      const parts = takeApart(three)
      const columns = [...parts.columns, { id, data: bytes(3, 1) }].sort((one, other) => one.id - other.id)
      return assemble({ ...parts, columns })
    },
  })),
  {
    rule: 'column-deflated',
    what: 'the compression bit on the values',
    bytes: () => {
      const parts = takeApart(three)
      return assemble({
        ...parts,
        columns: parts.columns.map(({ id, data }) => ({ id: id === columnIds.val ? id | 8 : id, data })),
      })
    },
  },
  { rule: 'column-empty', what: 'a column without bytes', bytes: () => withColumns({ markName: bytes() }) },
  { rule: 'column-empty', what: 'nothing but absent numbers', bytes: () => withColumns({ objCtr: nulls(3) }) },
  { rule: 'column-empty', what: 'nothing but absent text', bytes: () => withColumns({ markName: nulls(3) }) },
  { rule: 'column-empty', what: 'nothing but absent differences', bytes: () => withColumns({ keyCtr: nulls(3) }) },
  { rule: 'column-empty', what: 'expand that is never true', bytes: () => withColumns({ expand: bytes(3) }) },
  ...(['insert', 'action', 'valMeta', 'predNum'] as const).map((name) => ({
    rule: 'column-required' as const,
    what: `no column ${name}`,
    bytes: () => withColumns({ [name]: undefined }),
  })),
  { rule: 'column-rows', what: 'one key too few', bytes: () => withColumns({ keyStr: literal(a, b) }) },
  { rule: 'column-rows', what: 'one key too many', bytes: () => withColumns({ keyStr: literal(a, b, c, a) }) },
  { rule: 'column-rows', what: 'one truth value too few', bytes: () => withColumns({ insert: bytes(2) }) },
  { rule: 'column-rows', what: 'one truth value too many', bytes: () => withColumns({ insert: bytes(4) }) },
  {
    rule: 'column-rows',
    what: 'too many absent entries',
    bytes: () => withColumns({ markName: join(literal(a), nulls(3)) }),
  },
  {
    rule: 'column-rows',
    what: 'a predecessor without counter',
    bytes: () => withColumns({ predCtr: undefined }, rich),
  },
  {
    rule: 'column-rows',
    what: 'a predecessor without actor',
    bytes: () => withColumns({ predActor: undefined }, rich),
  },
  {
    rule: 'column-rows',
    what: 'a predecessor that none asked for',
    bytes: () => withColumns({ predActor: run(1, set) }),
  },
  {
    rule: 'pred-count',
    what: 'too many predecessors',
    bytes: () => {
      const count = 2 * limits.maxOpsPerFrame + 1
      return withColumns({
        predNum: join(literal(uleb(count)), run(2, bytes(0))),
        predActor: run(count, bytes(0)),
        predCtr: run(count, bytes(1)),
      })
    },
  },
  { rule: 'null-row', what: 'an absent action', bytes: () => withColumns({ action: join(run(2, set), nulls(1)) }) },
  {
    rule: 'null-row',
    what: 'an absent value type',
    bytes: () => withColumns({ valMeta: join(run(2, bytes(0x14)), nulls(1)), val: bytes(1, 2) }),
  },
  {
    rule: 'null-row',
    what: 'an absent predecessor count',
    bytes: () => withColumns({ predNum: join(run(2, bytes(0)), nulls(1)) }),
  },
  {
    rule: 'null-row',
    what: 'an absent predecessor actor',
    bytes: () =>
      withColumns({ predNum: run(3, set), predActor: join(run(2, bytes(0)), nulls(1)), predCtr: run(3, set) }),
  },
  {
    rule: 'null-row',
    what: 'an absent predecessor counter',
    bytes: () =>
      withColumns({ predNum: run(3, set), predActor: run(3, bytes(0)), predCtr: join(run(2, set), nulls(1)) }),
  },

  {
    rule: 'run-canonical',
    what: 'a repetition of one',
    bytes: () => withColumns({ keyStr: join(run(1, a), literal(b, c)) }),
  },
  {
    rule: 'run-canonical',
    what: 'two literal runs',
    bytes: () => withColumns({ keyStr: join(literal(a), literal(b, c)) }),
  },
  {
    rule: 'run-canonical',
    what: 'a repetition inside a literal run',
    bytes: () => withColumns({ action: literal(set, set, set) }),
  },
  {
    rule: 'run-canonical',
    what: 'a literal run that the next repetition continues',
    bytes: () => withColumns({ action: join(literal(set), run(2, set)) }),
  },
  {
    rule: 'run-canonical',
    what: 'a repetition that the next literal run continues',
    bytes: () => withColumns({ action: join(run(2, set), literal(set)) }),
  },
  {
    rule: 'run-canonical',
    what: 'a repetition that the next one continues',
    bytes: () => withColumns({ action: join(run(8, set), run(24, set)) }, rich),
  },
  {
    rule: 'run-canonical',
    what: 'no absent entry',
    bytes: () => withColumns({ keyStr: join(nulls(0), literal(a, b, c)) }),
  },
  {
    rule: 'run-canonical',
    what: 'absent entries in two runs',
    bytes: () => withColumns({ ...half, keyStr: join(nulls(1), nulls(1), literal(c)) }),
  },
  {
    rule: 'run-canonical',
    what: 'differences in two literal runs',
    bytes: () => withColumns({ keyCtr: join(literal(bytes(1)), literal(bytes(2), bytes(3))) }),
  },
  {
    rule: 'boolean-canonical',
    what: 'an empty run in the middle',
    bytes: () => withColumns({ insert: bytes(1, 0, 2) }),
  },
  { rule: 'boolean-canonical', what: 'an empty run at the end', bytes: () => withColumns({ insert: bytes(3, 0) }) },
  { rule: 'boolean-canonical', what: 'nothing but an empty run', bytes: () => withColumns({ insert: bytes(0) }) },

  { rule: 'leb128', what: 'a long run length', bytes: () => withColumns({ action: bytes(0x83, 0, 1) }) },
  {
    rule: 'leb128',
    what: 'a long negative run length',
    bytes: () => withColumns({ keyStr: join(bytes(0xfd, 0x7f), a, b, c) }),
  },
  { rule: 'leb128', what: 'a long value in a run', bytes: () => withColumns({ action: bytes(3, 0x81, 0) }) },
  { rule: 'leb128', what: 'a long count of truth values', bytes: () => withColumns({ insert: bytes(0x83, 0) }) },
  {
    rule: 'number-range',
    what: 'a value type of 2^60',
    bytes: () => withColumns({ valMeta: run(3, uleb(2n ** 60n)) }),
  },
  { rule: 'number-range', what: 'a difference of 2^60', bytes: () => withColumns({ keyCtr: run(3, sleb(2n ** 60n)) }) },
  {
    rule: 'number-range',
    what: 'a run length of −2^63',
    bytes: () => withColumns({ action: join(sleb(-(2n ** 63n)), set) }),
  },
  { rule: 'number-range', what: 'a sum below zero', bytes: () => withColumns({ keyCtr: run(3, sleb(-1)) }) },
  { rule: 'utf8', what: 'a key', bytes: () => withColumns({ keyStr: literal(a, b, sized(bytes(0xff))) }) },
  {
    rule: 'utf8',
    what: 'a long key',
    bytes: () => withColumns({ keyStr: literal(a, b, sized(new Uint8Array(40).fill(0xff))) }),
  },
  { rule: 'truncated', what: 'a run without its value', bytes: () => withColumns({ action: bytes(3) }) },
  {
    rule: 'truncated',
    what: 'a text longer than its column',
    bytes: () => withColumns({ keyStr: join(bytes(0x7d), a, b, bytes(9, 0x63)) }),
  },
  {
    rule: 'truncated',
    what: 'a column longer than the change',
    bytes: () => withColumns({ markName: new Uint8Array(3) }).subarray(0, -1),
  },
]
