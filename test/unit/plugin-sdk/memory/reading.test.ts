/**
 * What a document shows after changes of others, held against the same changes loaded from a save. The first half of each
 * case pins what the engine does by itself: once it is right, reading anew is not needed any more.
 */
import * as A from '@automerge/automerge'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toPlain } from '../../../../daemon/views/render.ts'
import { firstOf } from '../../../../plugin-sdk/memory/base.ts'
import { BlockDocument, type KnownChange } from '../../../../plugin-sdk/memory/document.ts'
import { hashOf } from '../../../../plugin-sdk/memory/re-encoding.ts'
import { type ChangeHash, schemaNamed } from '../../../../protocol/index.ts'
import { playSteps, stepsArbitrary } from '../../../fixtures/honest-documents.ts'

type Root = { map: Record<string, unknown> }
type Edit = (map: Record<string, unknown>) => void

const first = firstOf(schemaNamed('map'))
const by = (digits: string): string => digits.repeat(16)

/** A document of one actor, on top of what others wrote. */
const on = (digits: string, ...others: A.Doc<Root>[]): A.Doc<Root> =>
  others.reduce((doc, other) => A.merge(doc, other), A.load<Root>(first.bytes, { actor: by(digits) }))

const write = (doc: A.Doc<Root>, ...edits: Edit[]): A.Doc<Root> =>
  edits.reduce((each, edit) => A.change(each, { time: 0 }, ({ map }) => edit(map)), doc)

const set =
  (value: unknown): Edit =>
  (map) => {
    map.key = value
  }
const count: Edit = (map) => {
  ;(map.key as A.Counter).increment(2)
}
const remove: Edit = (map) => {
  delete map.key
}
const list = (map: Record<string, unknown>): unknown[] => map.key as unknown[]

interface Case {
  readonly what: string
  /** What is in the document. */
  readonly before: A.Doc<Root>
  /** Beside each other, on top of it; they come in one call. */
  readonly after: readonly A.Doc<Root>[]
}

// Written twice, so that it is later than what another writes first: that is what survives its deletion.
const number = write(on('11'), set(0), set(1))
const twoNumbers = [number, write(on('22'), set(2))]
const numbers = write(on('11'), set([1, 2]))
const overwritten = write(on('33', numbers), (map) => {
  list(map)[1] = 3
})
const counters = [write(on('11'), set(new A.Counter(1))), write(on('22'), set(new A.Counter(1)))]
const contested = on('33', ...counters)

const cases: readonly Case[] = [
  {
    what: 'a key that one deletes and another sets',
    before: number,
    after: [write(on('22', number), remove), write(on('33'), set(2))],
  },
  {
    what: 'a key that two set, one deletes and another sets',
    before: on('44', ...twoNumbers),
    after: [write(on('44', ...twoNumbers), remove), write(on('33'), set(3))],
  },
  {
    what: 'an insertion behind an element that one deletes and another sets',
    before: on('44', overwritten),
    after: [
      write(on('55', numbers), (map) => A.deleteAt(list(map) as A.List<unknown>, 1)),
      write(on('66', numbers), (map) => A.insertAt(list(map) as A.List<unknown>, 2, 4)),
    ],
  },
  {
    what: 'a counter that two made, counted up beside a third',
    before: contested,
    after: [write(on('44', contested), count), write(on('00'), set(new A.Counter(1)))],
  },
  {
    what: 'a counter that lost, and is left alone by a deletion',
    before: on('44', write(contested, count)),
    after: [write(on('55', counters[1] as A.Doc<Root>), remove)],
  },
]

const shown = (doc: A.Doc<Root>): unknown => toPlain(doc)
/** As the engine has it. */
const held = (doc: A.Doc<Root>): unknown => toPlain(A.toJS(doc))

function changesOf({ before, after }: Case): Record<'before' | 'after', KnownChange[]> {
  const known = (chunks: Uint8Array[]): KnownChange[] =>
    chunks.map((bytes) => ({ bytes, hash: hashOf(bytes) as ChangeHash }))
  const all = on('ee', before, ...after)
  return {
    before: known(A.getChangesSince(before, [...first.heads])),
    after: known(A.getChangesSince(all, A.getHeads(before))),
  }
}

const bytesOf = (changes: readonly KnownChange[]): Uint8Array[] => changes.map(({ bytes }) => bytes)

describe.each(cases)('$what', (each) => {
  const { before, after } = changesOf(each)
  const base = A.load<Root>(A.save(A.applyChanges(A.load<Root>(first.bytes), bytesOf(before))[0]))
  const [applied] = A.applyChanges(base, bytesOf(after))
  const loaded = A.load<Root>(A.save(applied))

  it('is shown wrongly by the engine', () => {
    expect(shown(applied)).not.toEqual(shown(loaded))
  })

  it('is shown as everyone shows it who loads it', () => {
    const document = new BlockDocument<Root>(
      first,
      () => by('ff'),
      () => {},
    )
    document.add(before)
    void document.value
    document.add(after)
    expect(shown(document.value)).toEqual(shown(loaded))
    // It can be written to, and is told apart from the one before.
    const next = A.change(document.value, ({ map }) => Object.assign(map, { other: 1 }))
    expect(next.map.other).toBe(1)
    expect(A.getHeads(next)).not.toEqual(A.getHeads(loaded))
  })
})

it('shows what the engine holds, whatever honest replicas wrote and however it was divided into calls', () => {
  fc.assert(
    fc.property(stepsArbitrary, fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1 }), (steps, sizes) => {
      const [initial, ...rest] = playSteps(steps).map((bytes) => ({ bytes, hash: hashOf(bytes) as ChangeHash }))
      if (initial === undefined) return
      const document = new BlockDocument<Root>(
        { bytes: initial.bytes, heads: [initial.hash] },
        () => by('ff'),
        () => {},
      )
      for (let n = 0; rest.length > 0; n++) {
        void document.value
        document.add(rest.splice(0, sizes[n % sizes.length]))
        expect(shown(document.value)).toEqual(held(document.value))
      }
    }),
    { numRuns: 40 },
  )
})
