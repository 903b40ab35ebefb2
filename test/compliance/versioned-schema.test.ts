/** A schema that was upgraded twice keeps what every schema keeps. In no table: the released ones are all of version 1. */
import * as Automerge from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import { toPlain } from '../../daemon/views/render.ts'
import { migration } from '../../protocol/schemas/define.ts'
import { type PageValue, pageSchema } from '../fixtures/page-schema.ts'
import { schemaSuiteOf } from './schema.suite.ts'

const page = pageSchema(3)

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
