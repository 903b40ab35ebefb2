import * as Automerge from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import { render, toPlain } from '../../../../daemon/views/render.ts'

describe('plain values', () => {
  it('takes every kind of value a document can hold', () => {
    const values = {
      counter: new Automerge.Counter(4),
      fixed: new Automerge.ImmutableString('fixed'),
      date: new Date(0),
      bytes: Uint8Array.of(1, 2, 255),
      large: 2n ** 60n,
      unsigned: new Automerge.Uint(7),
      none: Number.NaN,
      nothing: null,
      nested: [{ text: 'deep' }, [true]],
    }
    const document = Automerge.change(Automerge.init<Record<string, unknown>>(), (root) => {
      Object.assign(root, values)
    })
    expect(toPlain(Automerge.getBackend(document).materialize('/'))).toEqual({
      counter: 4,
      fixed: 'fixed',
      date: '1970-01-01T00:00:00.000Z',
      bytes: 'AQL/',
      large: '1152921504606846976',
      unsigned: 7,
      none: 'NaN',
      nothing: null,
      nested: [{ text: 'deep' }, [true]],
    })
  })

  it('takes a date that no calendar has', () => {
    expect(toPlain(new Date(Number.NaN))).toBe('Invalid Date')
  })

  it('takes the names of methods as keys', () => {
    expect(toPlain({ toJSON: 'a', constructor: 'b', valueOf: 'c' })).toEqual({
      toJSON: 'a',
      constructor: 'b',
      valueOf: 'c',
    })
  })
})

describe('rendering', () => {
  it('refuses an unknown schema', () => {
    expect(() => render('poem', {})).toThrow(expect.objectContaining({ code: 'unknown-schema' }))
  })

  it('shows a root that is no map as an empty document', () => {
    expect(render('text', ['x'])).toBe('')
  })
})
