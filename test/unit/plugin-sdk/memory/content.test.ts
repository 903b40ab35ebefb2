import * as A from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import { appendEntry, sectionOf } from '../../../../plugin-sdk/memory/content.ts'
import { type CompositeValue, type LogValue, type SchemaOptions, schemaNamed } from '../../../../protocol/index.ts'

const options: SchemaOptions = {
  sections: [
    { name: 'events', schema: 'log' },
    { name: 'facts', schema: 'map' },
  ],
}
const composite = (): A.Doc<CompositeValue> => A.load(schemaNamed('composite').initial.bytes)

describe('an entry of a log', () => {
  it('goes to the end, of the log and of a section that is one', () => {
    const log = A.change(A.load<LogValue>(schemaNamed('log').initial.bytes), (draft) => {
      for (const n of [1, 2, 3]) appendEntry(draft, { n })
    })
    expect(A.toJS(log).entries).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
    const doc = A.change(composite(), (draft) => appendEntry(sectionOf(draft, 'events', options), 'x'))
    expect(sectionOf(doc, 'events', options).entries).toEqual(['x'])
  })
})

describe('a section', () => {
  it('is found by its name, and no other one', () => {
    const doc = A.change(composite(), (draft) => Object.assign(sectionOf(draft, 'facts', options).map, { a: 1 }))
    expect(doc.sections['1']?.map).toEqual({ a: 1 })
    expect(() => sectionOf(doc, 'more', options)).toThrow('the sections are events, facts')
    expect(() => sectionOf(doc, '0')).toThrow('the sections are none')
  })

  it.each<[string, (root: Record<string, unknown>) => void]>([
    ['its containers', (root) => void delete (root.sections as Record<string, unknown>)['1']],
    ['all of them', (root) => void delete root.sections],
    ['them for something else', (root) => void Object.assign(root, { sections: [1, 2] })],
  ])('says so when a replica took away %s', (_what, edit) => {
    const doc = A.change(composite(), (draft) => edit(draft as never))
    expect(() => sectionOf(doc, 'facts', options)).toThrow(expect.objectContaining({ code: 'wrong-state' }))
  })
})
