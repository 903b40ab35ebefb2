/** The document of a block: what it takes, what it leaves out, and what is left when changes are taken out again. */
import * as A from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import { snapshotBase } from '../../../../plugin-sdk/memory/base.ts'
import { BlockDocument, type KnownChange } from '../../../../plugin-sdk/memory/document.ts'
import { headsOf } from '../../../../plugin-sdk/memory/document-chunk.ts'
import { schemaNamed } from '../../../../protocol/index.ts'
import { readChange } from '../../../../protocol/sync/index.ts'
import { alice, mallory } from '../../../fixtures/cast.ts'
import { poisons } from '../../../fixtures/poison-kinds.ts'
import { actorOf, insert, textDoc } from '../../../fixtures/raw-replica.ts'

type Text = { text: string }

const known = (bytes: Uint8Array): KnownChange => ({ bytes, hash: readChange(bytes).hash })

function documentOf<Value>(schema: 'text' | 'map'): BlockDocument<Value> {
  const { bytes, hash } = schemaNamed(schema).initial
  return new BlockDocument<Value>(
    { bytes, heads: [hash] },
    () => actorOf(alice),
    () => {},
  )
}

// A mark that is bent is found only by saving: the daemon does that, and says so.
const found = poisons.filter(({ passes, schema }) => passes && schema === 'map')

describe.each(found)('$kind', ({ schema, make }) => {
  const { honest, poison } = make(actorOf(alice), actorOf(mallory))
  const later = known(A.getLastLocalChange(A.change(docWith(honest), { time: 1 }, edit)) ?? honest)

  function docWith(...changes: Uint8Array[]): A.Doc<Record<string, unknown>> {
    return A.applyChanges(A.load<Record<string, unknown>>(schemaNamed(schema).initial.bytes), changes)[0]
  }

  function edit(draft: Record<string, unknown>): void {
    if (schema === 'text') A.splice(draft as never, ['text'], 0, 0, 'later ')
    else Object.assign(draft.map as object, { later: true })
  }

  it.each(['is left out when it comes', 'is left out of what waits until somebody looks'])('%s', (how) => {
    const document = documentOf<Record<string, unknown>>(schema)
    if (how.endsWith('comes')) void document.value
    document.add([known(honest), known(poison), later])
    expect(A.toJS(document.value)).toEqual(A.toJS(docWith(honest, later.bytes)))
    expect(document.takePoison().map(({ hash }) => hash)).toEqual([readChange(poison).hash])
    expect(document.takePoison()).toEqual([])
    // What is shown can be saved and loaded again, which is what such a change prevents.
    expect(A.toJS(A.load(A.save(document.value)))).toEqual(A.toJS(document.value))
  })
})

describe('changes that are taken out', () => {
  it('take with them what builds on them, and leave the rest', () => {
    const document = documentOf<Text>('text')
    const first = insert(textDoc(actorOf(alice)), 0, 'first')
    const beside = insert(textDoc(actorOf(mallory)), 0, 'beside')
    const onTop = insert(A.clone(first.doc, { actor: actorOf(alice) }), 5, ' on top')
    const all = [first, beside, onTop].map(({ bytes }) => known(bytes))
    document.add(all)
    expect(document.value.text).toContain('first on top')
    const out = document.without((hash) => hash === all[0]?.hash)
    expect(out.map(({ hash }) => hash)).toEqual([all[0]?.hash, all[2]?.hash])
    expect(document.value.text).toBe('beside')
    expect(document.has(all[1]?.hash ?? '')).toBe(true)
    expect(document.has(all[2]?.hash ?? '')).toBe(false)
  })
})

describe('a snapshot', () => {
  const doc = A.merge(insert(textDoc(actorOf(alice)), 0, 'a').doc, insert(textDoc(actorOf(mallory)), 0, 'b').doc)

  it('says its heads without being loaded', () => {
    expect(headsOf(A.save(doc)).sort()).toEqual(A.getHeads(doc).sort())
    expect(headsOf(A.save(A.init()))).toEqual([])
  })

  it.each([0, 8, 9, 12, 40])('that is cut off at byte %i is refused', (length) => {
    expect(() => headsOf(A.save(doc).slice(0, length))).toThrow(/a snapshot/)
  })

  it('is what a document begins with, and changes on top of it are told from those in it', () => {
    const document = new BlockDocument<Text>(
      snapshotBase(A.save(doc)),
      () => actorOf(alice),
      () => {},
    )
    const next = known(insert(A.clone(doc, { actor: actorOf(alice) }), 0, 'c').bytes)
    expect(document.has(A.getHeads(doc)[0] ?? '')).toBe(true)
    document.add([...A.getAllChanges(doc).slice(1).map(known), next])
    expect(document.waiting).toBe(3)
    expect(document.value.text).toHaveLength(3)
    expect(document.takePoison()).toEqual([])
  })
})
