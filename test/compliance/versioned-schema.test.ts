/** A schema that was upgraded twice keeps what every schema keeps. In no table: the released ones are all of version 1. */
import * as Automerge from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import { toPlain } from '../../daemon/views/render.ts'
import { checkContainer, checkKeys } from '../../protocol/schemas/checks.ts'
import { defineSchema, migration } from '../../protocol/schemas/define.ts'
import { formatPlain } from '../../protocol/schemas/plain.ts'
import { schemaSuiteOf } from './schema.suite.ts'

interface PageValue {
  body: string
  tags: string[]
  facts: Record<string, unknown> & { links: string[] }
}

const page = defineSchema<PageValue>({
  name: 'page',
  summary: 'A body since version 1, tags and facts since version 2, links among the facts since version 3.',
  options: [],
  initial: {
    bytes:
      '856f4a83a3cd3e54012f00103ede8cc4e197c6aa09dc23caf53ec035010100000005150634014202560270027f04626f6479017f047f007f00',
    actor: '3ede8cc4e197c6aa09dc23caf53ec035',
    seq: 1,
    hash: 'a3cd3e5499d72ae6c72d4bc839d937f96b1876f07ce86033f00ba358bc9aa4fc',
    maxOp: 1,
    ops: 1,
    objects: [{ id: '1@3ede8cc4e197c6aa09dc23caf53ec035', type: 'text', depth: 1 }],
  },
  upgrades: [
    {
      bytes:
        '856f4a837a81faaa015601a3cd3e5499d72ae6c72d4bc839d937f96b1876f07ce86033f00ba358bc9aa4fc10a01f14c990bc746fb46f25b6' +
        '25f86929010200000005150c34014203560270027e0474616773056661637473027e020002000200',
      actor: 'a01f14c990bc746fb46f25b625f86929',
      seq: 1,
      hash: '7a81faaa316e551f8f2e11c6183a73b5ba8c96891e1f88faf7184c456383f360',
      maxOp: 3,
      ops: 2,
      objects: [
        { id: '2@a01f14c990bc746fb46f25b625f86929', type: 'list', depth: 1 },
        { id: '3@a01f14c990bc746fb46f25b625f86929', type: 'map', depth: 1 },
      ],
    },
    {
      bytes:
        '856f4a833541f91c0169017a81faaa316e551f8f2e11c6183a73b5ba8c96891e1f88faf7184c456383f360102dedadb787ce67975863c0ea' +
        '1526a682010400000110a01f14c990bc746fb46f25b625f869290701020202150734014202560270027f017f037f056c696e6b73017f027f' +
        '007f00',
      actor: '2dedadb787ce67975863c0ea1526a682',
      seq: 1,
      hash: '3541f91cb1ca13e1de9f3b77de504a311278ba8d9eb741363710361b170be7a1',
      maxOp: 4,
      ops: 1,
      objects: [{ id: '4@2dedadb787ce67975863c0ea1526a682', type: 'list', depth: 2 }],
    },
  ],
  *check(root) {
    yield* checkContainer(root, 'body', 'text')
    yield* checkContainer(root, 'tags', 'list')
    yield* checkContainer(root, 'facts', 'map', '', (facts: Record<string, unknown>, path) =>
      checkContainer(facts, 'links', 'list', path),
    )
    yield* checkKeys(root, ['body', 'tags', 'facts'])
  },
  describe: (root) => formatPlain(root),
})

schemaSuiteOf(page, (root) => page.describe(toPlain(root) as Parameters<typeof page.describe>[0]))

describe('a document of version 1', () => {
  const load = (): Automerge.Doc<PageValue> => Automerge.load<PageValue>(page.initial.bytes)
  const upgraded = (doc: Automerge.Doc<PageValue>): Automerge.Doc<PageValue> =>
    Automerge.applyChanges(
      doc,
      migration(page, (hash) => Automerge.hasHeads(doc, [hash])).map(({ bytes }) => bytes),
    )[0]

  it('is brought up after years of edits, and what an old version then writes merges', () => {
    let old = load()
    for (let n = 0; n < 50; n++) old = Automerge.change(old, (root) => Automerge.splice(root, ['body'], 0, 0, `${n} `))
    const alice = Automerge.change(upgraded(Automerge.clone(old)), (root) => void root.tags.push('mine'))
    const bob = Automerge.change(Automerge.clone(old), (root) => Automerge.splice(root, ['body'], 0, 0, 'late '))
    const merged = Automerge.merge(upgraded(Automerge.clone(bob)), alice)
    expect(merged.body).toMatch(/^late 49 48 /)
    expect(Automerge.toJS(merged)).toMatchObject({ tags: ['mine'], facts: { links: [] } })
    expect(Automerge.toJS(Automerge.merge(Automerge.clone(alice), bob))).toEqual(Automerge.toJS(merged))
  })

  it('is brought up from the middle, with what it lacks alone', () => {
    const [first, second, third] = [page.initial, ...page.upgrades]
    const doc = Automerge.applyChanges(load(), [second?.bytes ?? expect.fail()])[0]
    expect(migration(page, (hash) => Automerge.hasHeads(doc, [hash]))).toEqual([third])
    expect(migration(page, () => false)).toEqual([first, second, third])
  })

  it('keeps what somebody had put where an upgrade adds a container, beside it', () => {
    const old = Automerge.change(load(), (root) => Object.assign(root, { tags: 'by hand' }))
    const current = upgraded(old)
    expect(Object.values(Automerge.getConflicts(current, 'tags') ?? {})).toEqual(
      expect.arrayContaining(['by hand', []]),
    )
    expect(page.validate(current).length).toBeLessThanOrEqual(1)
  })
})
