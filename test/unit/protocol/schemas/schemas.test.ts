import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { MooringError } from '../../../../protocol/errors.ts'
import {
  initialChangeHashes,
  isSchemaName,
  type MapValue,
  type PlainValue,
  type SchemaValues,
  schemaNamed,
  schemaNames,
  schemaTable,
  type TextValue,
} from '../../../../protocol/schemas/index.ts'
import { formatPlain } from '../../../../protocol/schemas/plain.ts'

describe('the schema table', () => {
  it('names each schema as the schema names itself', () => {
    expect(schemaNames).toContain('text')
    expect(schemaNames).toContain('map')
    for (const name of schemaNames) expect(schemaTable[name].name).toBe(name)
  })

  it('finds a schema by its name', () => {
    expect(schemaNamed('text')).toBe(schemaTable.text)
    expect(isSchemaName('map')).toBe(true)
  })

  it.each(['', 'Text', 'texts', 'constructor', '__proto__', 'toString'])('refuses the name "%s"', (name) => {
    expect(isSchemaName(name)).toBe(false)
    expect(() => schemaNamed(name)).toThrow(expect.objectContaining({ code: 'unknown-schema' }))
    expect(() => schemaNamed(name)).toThrow(MooringError)
  })

  it('knows a different first change for each schema', () => {
    expect(initialChangeHashes.size).toBe(schemaNames.length)
    for (const name of schemaNames) expect(initialChangeHashes.has(schemaTable[name].initial.hash)).toBe(true)
    expect(new Set(schemaNames.map((name) => schemaTable[name].initial.actor)).size).toBe(schemaNames.length)
  })

  it('keeps each first change in memory of its own', () => {
    for (const name of schemaNames) {
      const { bytes } = schemaTable[name].initial
      expect(bytes.buffer.byteLength).toBe(bytes.length)
    }
  })

  it('gives the type of a document by the name of its schema', () => {
    expectTypeOf<SchemaValues['text']>().toEqualTypeOf<TextValue>()
    expectTypeOf<SchemaValues['map']>().toEqualTypeOf<MapValue>()
    expectTypeOf(schemaNamed('text').value).toEqualTypeOf<TextValue | undefined>()
  })
})

describe('text for people', () => {
  it('is the text itself for a text', () => {
    expect(schemaTable.text.describe({ text: 'one\ntwo "three"', other: 1 })).toBe('one\ntwo "three"')
    expect(schemaTable.text.describe({})).toBe('')
  })

  it('shows what is there instead of a text', () => {
    expect(schemaTable.text.describe({ text: { a: 1 } })).toBe('{\n  "a": 1\n}')
    expect(schemaTable.text.describe({ text: null })).toBe('null')
  })

  it('is JSON with sorted keys for a map', () => {
    const map = { b: [1, [], {}], a: { d: true, c: null } }
    expect(schemaTable.map.describe({ map })).toMatchInlineSnapshot(`
      "{
        "a": {
          "c": null,
          "d": true
        },
        "b": [
          1,
          [],
          {}
        ]
      }"
    `)
    expect(schemaTable.map.describe({})).toBe('{}')
  })

  it('is the same for equal values, and says all of them', () => {
    const values: fc.Arbitrary<PlainValue> = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<PlainValue>
    fc.assert(
      fc.property(values, (value) => {
        expect(formatPlain(reversed(value))).toBe(formatPlain(value))
        expect(JSON.parse(formatPlain(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it('escapes what would begin a new line', () => {
    expect(formatPlain({ 'a\nb': 'c\r\u001b[2J' })).toBe('{\n  "a\\nb": "c\\r\\u001b[2J"\n}')
  })
})

/** The same value with its keys set in the opposite order. */
function reversed(value: PlainValue): PlainValue {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(reversed)
  const entries = Object.entries(value as Record<string, PlainValue>)
  return Object.fromEntries(entries.reverse().map(([key, item]) => [key, reversed(item)]))
}
