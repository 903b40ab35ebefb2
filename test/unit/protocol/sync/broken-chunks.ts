/** Changes with one thing wrong in the chunk or its header, and runs above a cap; checksums repaired. */

import { limits } from '../../../../protocol/limits.ts'
import { readChange, type StructureRule } from '../../../../protocol/sync/change-structure.ts'
import { checkRun, splitChunks } from '../../../../protocol/sync/split.ts'
import {
  assemble,
  bodyOf,
  type ChangeParts,
  decodeOps,
  encodeOps,
  type Op,
  repair,
  takeApart,
  withOps,
  wrap,
} from '../../../fixtures/change-builder.ts'
import { join, sleb, uleb } from '../../../fixtures/change-encoding.ts'
import { samples } from '../../../fixtures/sample-changes.ts'

/** One way to break one rule. */
export interface BrokenChange {
  readonly rule: StructureRule
  readonly what: string
  readonly bytes: () => Uint8Array
  /** What reads the bytes; a change is read alone unless said otherwise. */
  readonly read?: (bytes: Uint8Array) => unknown
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const changed = (chunk: Uint8Array, change: (parts: ChangeParts) => Partial<ChangeParts>): Uint8Array => {
  const parts = takeApart(chunk)
  return assemble({ ...parts, ...change(parts) })
}
const poke = (chunk: Uint8Array, at: number, value: number): Uint8Array => {
  const copy = Uint8Array.from(chunk)
  copy[at] = value
  return copy
}
const { put, rich, first } = samples
const numbered = (size: number, count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, n) => {
    const id = new Uint8Array(size)
    new DataView(id.buffer).setUint32(0, n + 1)
    return id
  })
const longValue = (length: number): Uint8Array =>
  changed(put, (parts) => {
    const [op] = decodeOps(parts) as [Op]
    return { columns: encodeOps([{ ...op, meta: 16 * length + 7, value: new Uint8Array(length) }]) }
  })
/** As many operations as wanted, all on one key that is new each time. */
const wide = (count: number): Uint8Array =>
  changed(put, (parts) => {
    const [op] = decodeOps(parts) as [Op]
    return { columns: encodeOps(Array.from({ length: count }, () => op)) }
  })
const deflated = (chunk: Uint8Array): Uint8Array => wrap(bodyOf(takeApart(chunk)), { deflate: true })
/** Lengthens the deflated contents without touching the checksum, which covers the expanded form. */
const afterDeflate = (chunk: Uint8Array, extra: Uint8Array): Uint8Array => {
  const whole = deflated(chunk)
  let at = 9
  while ((whole[at] ?? 0) >= 0x80) at++
  const contents = whole.subarray(at + 1)
  return join(whole.subarray(0, 9), uleb(contents.length + extra.length), contents, extra)
}
const readRun = (run: Uint8Array): unknown => checkRun(splitChunks(run))
const times = (chunk: Uint8Array, count: number): Uint8Array => join(...Array.from({ length: count }, () => chunk))

export const brokenChunks: readonly BrokenChange[] = [
  { rule: 'change-bytes', what: 'a long value', bytes: () => longValue(limits.maxChangeBytes) },
  {
    rule: 'expanded-bytes',
    what: 'a long value, compressed',
    bytes: () => deflated(longValue(limits.maxExpandedBytes)),
  },
  { rule: 'op-count', what: 'one operation too many', bytes: () => wide(limits.maxOpsPerFrame + 1) },
  {
    rule: 'dep-count',
    what: 'one dependency too many',
    bytes: () => changed(put, () => ({ deps: numbered(32, limits.maxDeps + 1) })),
  },
  {
    rule: 'actor-count',
    what: 'one actor too many',
    bytes: () => changed(put, () => ({ actors: numbered(16, limits.maxActorsPerChange + 1) })),
  },
  {
    rule: 'op-counter',
    what: 'a last counter above the cap',
    bytes: () => changed(put, () => ({ startOp: uleb(limits.maxOpCounter + 1) })),
  },
  {
    rule: 'op-counter',
    what: 'a sequence number above the cap',
    bytes: () => changed(put, () => ({ seq: uleb(limits.maxOpCounter + 1) })),
  },
  {
    rule: 'run-changes',
    what: 'one change too many',
    bytes: () => times(put, limits.maxChangesPerFrame + 1),
    read: splitChunks,
  },
  {
    rule: 'run-changes',
    what: 'one chunk too many',
    bytes: () => put,
    read: (chunk) => checkRun(Array.from({ length: limits.maxChangesPerFrame + 1 }, () => chunk)),
  },
  {
    rule: 'run-ops',
    what: 'many operations together',
    bytes: () => times(wide(limits.maxOpsPerFrame / 4), 5),
    read: readRun,
  },
  {
    rule: 'run-bytes',
    what: 'many compressed bytes together',
    bytes: () => times(deflated(longValue(limits.maxExpandedBytes / 2)), 2),
    read: readRun,
  },

  ...[0, 1, 2, 3].map((at) => ({ rule: 'magic' as const, what: `magic byte ${at}`, bytes: () => poke(put, at, 0x84) })),
  { rule: 'magic', what: 'the second of a run', bytes: () => join(put, poke(put, 0, 0)), read: splitChunks },
  ...[0, 3, 4, 127].map((type) => ({
    rule: 'chunk-type' as const,
    what: `chunk type ${type}`,
    bytes: () => wrap(bodyOf(takeApart(put)), { type }),
  })),
  { rule: 'truncated', what: 'no bytes at all', bytes: () => bytes() },
  { rule: 'truncated', what: 'the last byte is missing', bytes: () => put.subarray(0, -1) },
  { rule: 'truncated', what: 'only the magic bytes', bytes: () => put.subarray(0, 4) },
  {
    rule: 'truncated',
    what: 'the contents end inside the header',
    bytes: () => wrap(bodyOf(takeApart(put)).subarray(0, 40)),
  },
  {
    rule: 'truncated',
    what: 'a message longer than the change',
    bytes: () => wrap(join(bodyOf({ ...takeApart(put), message: bytes() }).subarray(0, 61), bytes(0x7f))),
  },
  { rule: 'truncated', what: 'a number without its end', bytes: () => wrap(bytes(0x80)) },
  {
    rule: 'truncated',
    what: 'columns longer than the change',
    bytes: () => wrap(bodyOf(takeApart(put)).subarray(0, -1)),
  },
  { rule: 'trailing-bytes', what: 'a byte after the chunk', bytes: () => join(put, bytes(0)) },
  { rule: 'trailing-bytes', what: 'a second change', bytes: () => join(put, put) },
  { rule: 'trailing-bytes', what: 'a byte after the columns', bytes: () => changed(put, () => ({ extra: bytes(1) })) },
  { rule: 'trailing-bytes', what: 'a byte after the deflate stream', bytes: () => afterDeflate(rich, bytes(0)) },
  {
    rule: 'deflate',
    what: 'a stream without its end',
    bytes: () => wrap(deflated(rich).subarray(11, -20), { type: 2 }),
  },
  { rule: 'deflate', what: 'bytes that are no stream', bytes: () => wrap(bytes(0xff, 0xff, 0xff), { type: 2 }) },
  { rule: 'deflate', what: 'no bytes', bytes: () => wrap(bytes(), { type: 2 }) },
  ...[4, 5, 6, 7].map((at) => ({
    rule: 'checksum' as const,
    what: `checksum byte ${at}`,
    bytes: () => poke(put, at, (put[at] ?? 0) ^ 1),
  })),
  { rule: 'checksum', what: 'a flipped value', bytes: () => poke(rich, rich.length - 1, (rich.at(-1) ?? 0) ^ 1) },
  { rule: 'checksum', what: 'that of the compressed form', bytes: () => repair(deflated(rich)) },

  {
    rule: 'leb128',
    what: 'a long chunk length',
    bytes: () => wrap(bodyOf(takeApart(put)), { length: bytes(0x80 | (put.length - 10), 0) }),
  },
  { rule: 'leb128', what: 'a long sequence number', bytes: () => changed(put, () => ({ seq: bytes(0x83, 0) })) },
  { rule: 'leb128', what: 'a long positive time', bytes: () => changed(put, () => ({ time: bytes(0x85, 0) })) },
  { rule: 'leb128', what: 'a long negative time', bytes: () => changed(put, () => ({ time: bytes(0xff, 0x7f) })) },
  {
    rule: 'number-range',
    what: 'a start counter of 2^53',
    bytes: () => changed(put, () => ({ startOp: uleb(2n ** 53n) })),
  },
  {
    rule: 'number-range',
    what: 'a start counter of 2^64',
    bytes: () => changed(put, () => ({ startOp: uleb(2n ** 64n) })),
  },
  { rule: 'utf8', what: 'a message', bytes: () => changed(put, () => ({ message: bytes(0xc3) })) },

  {
    rule: 'dep-order',
    what: 'two dependencies swapped',
    bytes: () => changed(rich, ({ deps: [a, b, c] }) => ({ deps: [b, a, c].flatMap((dep) => dep ?? []) })),
  },
  {
    rule: 'dep-order',
    what: 'one dependency twice',
    bytes: () => changed(put, ({ deps }) => ({ deps: [...deps, ...deps] })),
  },
  { rule: 'dep-missing', what: 'a second change without dependency', bytes: () => changed(put, () => ({ deps: [] })) },
  { rule: 'actor-length', what: 'an empty author', bytes: () => changed(first, () => ({ actor: bytes() })) },
  {
    rule: 'actor-length',
    what: 'an author of 65 bytes',
    bytes: () => changed(first, () => ({ actor: new Uint8Array(65) })),
  },
  {
    rule: 'actor-length',
    what: 'an empty other actor',
    bytes: () => changed(rich, ({ actors: [, carol] }) => ({ actors: [bytes(), carol ?? bytes()] })),
  },
  { rule: 'first-number', what: 'sequence number 0', bytes: () => changed(put, () => ({ seq: bytes(0) })) },
  { rule: 'first-number', what: 'start counter 0', bytes: () => changed(put, () => ({ startOp: bytes(0) })) },
  {
    rule: 'actor-order',
    what: 'two actors swapped, with every reference',
    bytes: () => {
      const parts = takeApart(rich)
      const swap = <Ref extends [number, number]>([actor, ctr]: Ref): [number, number] => [
        actor === 0 ? 0 : 3 - actor,
        ctr,
      ]
      const ops = decodeOps(parts).map((op) => ({
        ...op,
        obj: op.obj && swap(op.obj),
        elem: Array.isArray(op.elem) ? swap(op.elem) : op.elem,
        // The order of predecessors follows the actors, not their places in the table.
        preds: op.preds.map(swap),
      }))
      return assemble({ ...withOps(parts, ops), actors: [...parts.actors].reverse() })
    },
  },
  {
    rule: 'actor-order',
    what: 'one actor twice',
    bytes: () => changed(rich, ({ actors: [bob] }) => ({ actors: [bob, bob].flatMap((actor) => actor ?? []) })),
  },
  {
    rule: 'actor-author',
    what: 'the author among the others',
    bytes: () => changed(rich, ({ actor, actors: [bob] }) => ({ actors: [bob, actor].flatMap((id) => id ?? []) })),
  },
  {
    rule: 'actor-unused',
    what: 'an actor that no operation names',
    bytes: () => changed(put, () => ({ actors: [bytes(1)] })),
  },
  { rule: 'time-range', what: 'a time of 2^60', bytes: () => changed(put, () => ({ time: sleb(2n ** 60n) })) },
  { rule: 'time-range', what: 'a time of −2^63', bytes: () => changed(put, () => ({ time: sleb(-(2n ** 63n)) })) },
  {
    rule: 'time-range',
    what: 'a time without end',
    bytes: () => changed(put, () => ({ time: new Uint8Array(20).fill(0x80) })),
  },
]

export const readAlone = (chunk: Uint8Array): unknown => readChange(chunk)
