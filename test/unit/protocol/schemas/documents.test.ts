/** What each schema says of a document of its own: as text, and where it is not what was asked for. */
import * as Automerge from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import { render } from '../../../../daemon/views/render.ts'
import { schemaOptions } from '../../../../protocol/schema-options.ts'
import { checkOptions, type SchemaName, type SchemaOptions, schemaNamed } from '../../../../protocol/schemas/index.ts'

/** A document of the schema that an edit was made to. */
function made(name: SchemaName, edit: (root: never) => void = () => {}): Automerge.Doc<Record<string, unknown>> {
  return Automerge.change(Automerge.load<Record<string, unknown>>(schemaNamed(name).initial.bytes), edit as never)
}

/** As the view thread has it. */
const raw = (doc: Automerge.Doc<unknown>): Record<string, unknown> =>
  Automerge.getBackend(doc).materialize('/') as never

const problems = (name: SchemaName, doc: Automerge.Doc<unknown>, options: SchemaOptions): string[] =>
  schemaNamed(name)
    .validate(raw(doc), options)
    .map(({ path, problem }) => `${path} ${problem}`)

describe('a map with fields', () => {
  const options: SchemaOptions = {
    fields: [
      { name: 'title', type: 'text', required: true },
      { name: 'visits', type: 'counter' },
      { name: 'due', type: 'timestamp' },
      { name: 'done', type: 'boolean', required: true, default: false },
      { name: 'size', type: 'number' },
      { name: 'tags', type: 'list' },
    ],
  }

  it('has nothing against values of each type, whoever wrote them as text or as a fixed one', () => {
    const doc = made('map', ({ map }: { map: Record<string, unknown> }) => {
      const visits = new Automerge.Counter(1)
      Object.assign(map, { title: 'x', visits, due: new Date(0), done: true, size: 2n ** 60n, tags: [1, 'two'] })
    })
    expect(problems('map', doc, options)).toEqual([])
    const fixed = Automerge.change(doc, (root) => {
      ;(root.map as Record<string, unknown>).title = new Automerge.ImmutableString('x')
    })
    expect(problems('map', fixed, options)).toEqual([])
    // What an author holds is compared as what the view thread has.
    expect(schemaNamed('map').validate(doc, options)).toEqual([])
  })

  it('is told of a missing field, another type and a further key, each with its place', () => {
    const doc = made('map', ({ map }: { map: Record<string, unknown> }) => {
      Object.assign(map, {
        visits: 1,
        due: 'tomorrow',
        done: null,
        size: 'big',
        tags: {},
        'not asked': new Uint8Array(1),
      })
    })
    expect(problems('map', doc, options)).toEqual([
      'map.title is missing',
      'map.visits is a number and not a counter',
      'map.due is a text and not a timestamp',
      'map.done is null and not a boolean',
      'map.size is a text and not a number',
      'map.tags is a map and not a list',
      'map["not asked"] is not among the fields',
    ])
  })

  it('shows the default of what is missing, and is not told of it', () => {
    const doc = made('map', ({ map }: { map: Record<string, unknown> }) => Object.assign(map, { title: 'x' }))
    expect(JSON.parse(render('map', raw(doc), options))).toEqual({ done: false, title: 'x' })
    expect(problems('map', doc, options)).toEqual([])
  })
})

describe('a list', () => {
  it('is told of items of another type and of those beyond its length', () => {
    const options: SchemaOptions = {
      itemSchema: { type: 'map', fields: [{ name: 'n', type: 'number', required: true }] },
      maxItems: 2,
    }
    const doc = made('list', ({ list }: { list: unknown[] }) => void list.push({ n: 1 }, { m: 'x' }, 'y'))
    expect(problems('list', doc, options)).toEqual([
      'list[2] is beyond maxItems, 2',
      'list[1].n is missing',
      'list[1].m is not among the fields',
      'list[2] is a text and not a map',
    ])
  })

  it('shows a line for each item, whatever is in it', () => {
    const doc = made('list', ({ list }: { list: unknown[] }) => void list.push('a\n- fake', { b: 1, a: [true, null] }))
    expect(render('list', raw(doc))).toBe('- "a\\n- fake"\n- {"a": [true, null], "b": 1}')
  })
})

describe('a log', () => {
  it('shows the last entries and how many came before', () => {
    const doc = made('log', ({ entries }: { entries: unknown[] }) => {
      for (let n = 1; n <= 5; n++) entries.push({ n })
    })
    expect(render('log', raw(doc), { displayLimit: 2 })).toBe('(3 earlier)\n{"n": 4}\n{"n": 5}')
    expect(render('log', raw(doc))).toMatch(/^\{"n": 1\}\n/)
    expect(problems('log', doc, { entrySchema: { type: 'text' } })).toHaveLength(5)
  })

  it('shows a hundred when it does not say how many', () => {
    const doc = made('log', ({ entries }: { entries: unknown[] }) => {
      for (let n = 1; n <= 101; n++) entries.push(n)
    })
    expect(render('log', raw(doc))).toMatch(/^\(1 earlier\)\n2\n/)
  })
})

describe('a composite', () => {
  const options: SchemaOptions = {
    sections: [
      { name: 'notes', schema: 'text' },
      { name: 'events', schema: 'log', options: { displayLimit: 1, entrySchema: { type: 'text' } } },
    ],
  }
  type Sections = { sections: Record<string, { text: string; map: Record<string, unknown>; entries: unknown[] }> }

  it('shows its sections by name, none of which can fake another', () => {
    const doc = made('composite', (root: Sections) => {
      Automerge.splice(root as never, ['sections', '0', 'text'], 0, 0, 'one\nevents:\n')
      root.sections['1']?.entries.push('first', 'second')
    })
    expect(render('composite', raw(doc), options)).toBe(
      'notes:\n  one\n  events:\n  \n\nevents:\n  (1 earlier)\n  "second"',
    )
    expect(problems('composite', doc, options)).toEqual([])
  })

  it('shows and tells of what is in no section', () => {
    const doc = made('composite', (root: Sections) => {
      Object.assign(root.sections['0']?.map ?? {}, { lost: 1 })
      root.sections['5']?.entries.push('somewhere')
      root.sections['1']?.entries.push(7)
      Object.assign(root.sections, { '8': 'late' })
    })
    expect(problems('composite', doc, options)).toEqual([
      'sections.0.map is in a section of text',
      'sections.1.entries[0] is a number and not a text',
      'sections.5.entries is in no section',
      'sections.8 is not in the schema',
    ])
    const text = render('composite', raw(doc), options)
    for (const shown of ['lost', 'somewhere', 'late', '7']) expect(text).toContain(shown)
  })
})

describe('the options of a block', () => {
  it.each([
    ['an unknown one', { colour: 'red' }],
    [
      'two fields of one name',
      {
        fields: [
          { name: 'a', type: 'text' },
          { name: 'a', type: 'text' },
        ],
      },
    ],
    ['a default of another type', { fields: [{ name: 'a', type: 'number', default: 'x' }] }],
    ['fields of what is no map', { itemSchema: { type: 'text', fields: [] } }],
    ['a composite in a composite', { sections: [{ name: 'a', schema: 'composite' }] }],
    ['sections in a section', { sections: [{ name: 'a', schema: 'text', options: { sections: [] } }] }],
    ['too many sections', { sections: Array.from({ length: 9 }, (_, n) => ({ name: `s${n}`, schema: 'text' })) }],
    ['a section that could be anything', { sections: [{ name: '../a', schema: 'text' }] }],
    ['no entries to show', { displayLimit: 0 }],
    [
      'too long ones',
      { fields: Array.from({ length: 60 }, (_, n) => ({ name: `f${n}`, type: 'text', default: 'x'.repeat(200) })) },
    ],
  ])('are not %s', (_what, value) => {
    expect(schemaOptions.safeParse(value).success).toBe(false)
  })

  it('are those of the schema and of each section', () => {
    checkOptions('log', { displayLimit: 3 })
    checkOptions('composite', { sections: [{ name: 'a', schema: 'list', options: { maxItems: 3 } }] })
    const wrong: [SchemaName, SchemaOptions][] = [
      ['text', { displayLimit: 3 }],
      ['composite', { sections: [{ name: 'a', schema: 'list', options: { displayLimit: 3 } }] }],
    ]
    for (const [name, options] of wrong) {
      expect(() => checkOptions(name, options)).toThrow(expect.objectContaining({ code: 'invalid-input' }))
    }
  })
})
