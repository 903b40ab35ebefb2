import * as Automerge from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import { rewrite } from '../../../../daemon/views/rewrite.ts'
import { type SchemaName, schemaNamed, schemaNames } from '../../../../protocol/schemas/index.ts'
import { pageSchema } from '../../../fixtures/page-schema.ts'

type Root = Record<string, unknown>

const first = (name: SchemaName): Automerge.Doc<Root> => Automerge.load<Root>(schemaNamed(name).initial.bytes)

/** What a block began anew holds, and the containers that its changes make. */
function anew(name: SchemaName, doc: Automerge.Doc<Root>): { value: Root; made: string[] } {
  const changes = [...rewrite(doc, [schemaNamed(name).initial.bytes], 'ab'.repeat(24))]
  const [again] = Automerge.applyChanges(first(name), changes)
  const ops = changes.flatMap((bytes) => Automerge.decodeChange(bytes).ops)
  return {
    value: Automerge.toJS(again),
    made: ops.map(({ action }) => action).filter((each) => each.startsWith('make')),
  }
}

describe('a document that is written anew', () => {
  it.each(schemaNames)('has the containers of its schema, %s, and makes none of them again', (name) => {
    const doc = first(name)
    expect(anew(name, doc)).toEqual({ value: Automerge.toJS(doc), made: [] })
  })

  it('is what it was inside of its sections, so that who makes the same section edits the same containers', () => {
    const doc = Automerge.change(first('composite'), (root) => {
      const { sections } = root as { sections: Record<string, { text: string; entries: unknown[] }> }
      sections['0']?.entries.push({ deep: ['x'] })
      Automerge.splice(root, ['sections', '1', 'text'], 0, 0, 'hello')
    })
    const { value, made } = anew('composite', doc)
    expect(value).toEqual(Automerge.toJS(doc))
    expect(made.toSorted()).toEqual(['makeList', 'makeMap', 'makeText'])
  })

  it('is of the newest version of its schema, in the containers that every document of that has', () => {
    const { initial, upgrades } = pageSchema(3)
    const frozen = [initial, ...upgrades].map(({ bytes }) => bytes)
    const load = (...changes: Uint8Array[]): Automerge.Doc<Root> => Automerge.load<Root>(Buffer.concat(changes))
    const old = Automerge.change(load(initial.bytes), (root) => Automerge.splice(root, ['body'], 0, 0, 'x'))
    const changes = rewrite(old, frozen, 'ab'.repeat(24))
    expect(changes.slice(0, 2)).toEqual(frozen.slice(1))
    const again = load(initial.bytes, ...changes)
    expect(Automerge.toJS(again)).toEqual({ body: 'x', tags: [], facts: { links: [] } })
    const tagged = Automerge.change(load(...frozen), (root) => void (root.tags as string[]).push('t'))
    const merged = Automerge.merge(load(initial.bytes, ...rewrite(tagged, frozen, 'cd'.repeat(24))), again)
    expect(Automerge.toJS(merged)).toEqual({ body: 'x', tags: ['t'], facts: { links: [] } })
  })

  it('is what it was where a plugin put something else in place of a container', () => {
    const doc = Automerge.change(first('composite'), (root) => Object.assign(root, { sections: { '0': { text: {} } } }))
    expect(anew('composite', doc).value).toEqual(Automerge.toJS(doc))
  })
})
