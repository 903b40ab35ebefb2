/** Snapshots are measured before the engine sees them: what few bytes expand to is refused without being expanded. */
import { deflateRawSync } from 'node:zlib'
import * as A from '@automerge/automerge'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MooringError } from '../../../../protocol/errors.ts'
import { limits } from '../../../../protocol/limits.ts'
import { schemaTable } from '../../../../protocol/schemas/index.ts'
import { checkDocument } from '../../../../protocol/sync/document-bounds.ts'
import { repair } from '../../../fixtures/change-builder.ts'
import { join, reader, sized, sleb, uleb } from '../../../fixtures/change-encoding.ts'
import { playSteps, stepsArbitrary } from '../../../fixtures/honest-documents.ts'
import { loadAutomergePaper } from '../../../fixtures/traces.ts'

interface Column {
  readonly id: number
  readonly data: Uint8Array
}

/** A document chunk of these columns, whatever they are, with a checksum that fits. */
function documentOf(init: { changes?: readonly Column[]; ops?: readonly Column[]; actors?: Uint8Array }): Uint8Array {
  const { changes = [], ops = [], actors = uleb(0) } = init
  const table = (columns: readonly Column[]): Uint8Array =>
    join(uleb(columns.length), ...columns.map(({ id, data }) => join(uleb(id), uleb(data.length))))
  const columns = [...changes, ...ops].map(({ data }) => data)
  const body = join(actors, uleb(0), table(changes), table(ops), ...columns)
  return repair(join(Uint8Array.of(0x85, 0x6f, 0x4a, 0x83, 1, 2, 3, 4, 0), uleb(body.length), body))
}

const repeat = (count: number, value: Uint8Array): Uint8Array => join(sleb(count), value)
const deflated = (id: number, data: Uint8Array): Column => ({ id: id | 8, data: new Uint8Array(deflateRawSync(data)) })

function refusal(bytes: Uint8Array): string | undefined {
  try {
    checkDocument(bytes)
    return undefined
  } catch (error) {
    if (error instanceof MooringError) return error.code
    throw error
  }
}

describe('what Automerge saves', () => {
  it('passes, whatever is in it', () => {
    fc.assert(
      fc.property(stepsArbitrary, (steps) => {
        const [doc] = A.applyChanges(A.init(), [...playSteps(steps)])
        const saved = A.save(doc)
        expect(refusal(saved)).toBeUndefined()
        A.free(doc)
      }),
      { numRuns: 150 },
    )
    for (const { initial } of Object.values(schemaTable)) {
      expect(refusal(A.save(A.load(initial.bytes)))).toBeUndefined()
    }
  })

  it('passes when it is long, compressed and full of deletions', () => {
    const { txns } = loadAutomergePaper()
    const doc = A.change(A.from<{ text: string }>({ text: '' }), (root) => {
      for (const { patches } of txns.slice(0, 30_000)) {
        for (const [at, removed, inserted] of patches) A.splice(root, ['text'], at, removed, inserted)
      }
    })
    expect(refusal(A.save(doc))).toBeUndefined()
  })
})

describe('a bomb', () => {
  const count = limits.maxOpsPerBlock + 1
  it.each<[string, Uint8Array]>([
    ['operations in one run', documentOf({ ops: [{ id: 66, data: repeat(count, uleb(1)) }] })],
    [
      'operations in many runs',
      documentOf({
        ops: [{ id: 66, data: join(...Array.from({ length: 300 }, (_, n) => repeat(10_000, uleb(n % 2)))) }],
      }),
    ],
    ['absent entries', documentOf({ ops: [{ id: 1, data: join(sleb(0), uleb(2 ** 50)) }] })],
    ['truth values', documentOf({ ops: [{ id: 52, data: join(uleb(0), uleb(count)) }] })],
    ['differences', documentOf({ changes: [{ id: 3, data: repeat(count, sleb(1)) }] })],
    ['texts', documentOf({ ops: [{ id: 21, data: repeat(2 ** 40, sized(new Uint8Array(3))) }] })],
    ['successors', documentOf({ ops: [{ id: 131, data: repeat(4 * count, sleb(1)) }] })],
    ['operations, compressed', documentOf({ ops: [deflated(66, repeat(2 ** 45, uleb(1)))] })],
    ['zeros, compressed', documentOf({ ops: [deflated(87, new Uint8Array(limits.maxSnapshotBytes + 1))] })],
    [
      'zeros, compressed, in columns that are small enough each',
      documentOf({
        changes: [deflated(87, new Uint8Array(limits.maxSnapshotBytes / 2))],
        ops: [deflated(87, new Uint8Array(limits.maxSnapshotBytes / 2 + 1))],
      }),
    ],
  ])('of %s is refused', (_, bytes) => {
    expect(bytes.length).toBeLessThan(limits.maxFrameBytes * 2)
    expect(refusal(bytes)).toBe('quota-exceeded')
  })
})

describe('what is no document', () => {
  const saved = A.save(A.from({ text: 'some text', list: [1, 2, 3] }))

  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['a change', A.getAllChanges(A.from({ a: 1 }))[0] ?? new Uint8Array(0)],
    ['two documents', join(saved, saved)],
    ['a document and a byte', join(saved, Uint8Array.of(0))],
    [
      'columns without end',
      documentOf({ ops: Array.from({ length: 65 }, () => ({ id: 66, data: new Uint8Array(0) })) }),
    ],
    ['more actors than bytes', documentOf({ actors: uleb(2 ** 40) })],
    ['a stream that is none', documentOf({ ops: [{ id: 66 | 8, data: Uint8Array.of(255, 255, 255) }] })],
  ])('is refused: %s', (_, bytes) => {
    expect(refusal(bytes)).toBe('malformed')
  })

  it('is refused when it is cut off anywhere, or passed when only contents are damaged', () => {
    for (let length = 0; length < saved.length; length++) expect(refusal(saved.subarray(0, length))).toBe('malformed')
    for (let bit = 0; bit < saved.length * 8; bit++) {
      const bent = saved.slice()
      bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(refusal(bent)).toBe('malformed')
      expect([undefined, 'malformed', 'quota-exceeded']).toContain(refusal(repair(bent)))
    }
  })

  it('is read as the engine reads it', () => {
    // The checksum and the kind of the chunk are where they are thought to be.
    expect(reader(saved, 8).unsigned()).toBe(0)
  })
})
