/** The table of errors: what crosses the wire comes back the same, says nothing that it should not, and is used. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  controlProtocol,
  decodeValue,
  type ErrorCode,
  encodeValue,
  errorCodes,
  errorTable,
  fromWireError,
  limits,
  MooringError,
  type Protocol,
  parseFrame,
  pluginProtocols,
  rpcFrames,
  toWireError,
} from '../../protocol/index.ts'
import { read, sources } from './sources.ts'

const categories = [...new Set(errorCodes.map((code) => errorTable[code].category))]
const operations = Object.values({ ...pluginProtocols, control: controlProtocol }).flatMap((protocol: Protocol) =>
  protocol.kind === 'rpc'
    ? Object.entries(protocol.ops).map(([name, op]) => ({ name: `${protocol.id} ${name}`, op }))
    : [],
)

/** Through the frame that carries it, as bytes. */
function overTheWire(error: unknown): MooringError {
  const frame = encodeValue({ t: 'error', id: 1, ...toWireError(error) })
  const { t, id, ...wire } = parseFrame(rpcFrames.listener, decodeValue(frame)) as Record<string, unknown>
  expect([t, id]).toEqual(['error', 1])
  return fromWireError(wire as unknown as Parameters<typeof fromWireError>[0])
}

describe('an error on the wire', () => {
  it.each(errorCodes)('%s comes back as itself', (code) => {
    const there = overTheWire(new MooringError(code))
    expect(there.code).toBe(code)
    expect(there.category).toBe(errorTable[code].category)
    expect(there.retryable).toBe(errorTable[code].retryable)
    expect(there.message).toBe(errorTable[code].local)
  })

  it('keeps the detail and the time to wait', () => {
    const code = fc.constantFrom(...errorCodes)
    const detail = fc.option(fc.string({ maxLength: limits.maxDetailChars }), { nil: undefined })
    const retryAfterMs = fc.option(fc.nat(), { nil: undefined })
    fc.assert(
      fc.property(code, detail, retryAfterMs, (code, detail, retryAfterMs) => {
        const there = overTheWire(
          new MooringError(code, {
            ...(detail === undefined ? {} : { detail }),
            ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
          }),
        )
        expect([there.code, there.detail, there.retryAfterMs]).toEqual([code, detail, retryAfterMs])
      }),
    )
  })

  it('carries no cause, no stack and no path of this machine', () => {
    const cause = new Error('ENOENT: /home/alice/.mooring/identity.key')
    for (const error of [new MooringError('internal', { cause }), cause, 'a thrown text', undefined]) {
      const wire = toWireError(error)
      expect(Object.keys(wire).sort()).toEqual(['category', 'code', 'message'])
      expect(wire.message).toBe(errorTable.internal.remote)
    }
    const wire = toWireError(new MooringError('storage-failed', { cause, detail: 'the log' }))
    expect(Object.keys(wire).sort()).toEqual(['category', 'code', 'detail', 'message'])
    expect(JSON.stringify(wire)).not.toContain('alice')
  })

  it.each(categories)('of a newer peer falls back to what stands for %s', (category) => {
    const there = fromWireError({ code: 'of-the-future', category, message: 'x', detail: 'y' })
    expect(there.category).toBe(category)
    expect(there.detail).toBe('of-the-future: y')
  })

  it('of a category that does not exist here is internal', () => {
    const wire = { code: 'of-the-future', category: 'strange', message: 'x' }
    expect(fromWireError(wire as unknown as Parameters<typeof fromWireError>[0]).code).toBe('internal')
  })

  it.each(['__proto__', 'constructor', 'toString', ''])(
    'with the code %j is not taken for one of the table',
    (code) => {
      expect(fromWireError({ code, category: 'denied', message: 'x' }).code).toBe('grant-missing')
    },
  )
})

describe('the table of errors', () => {
  it.each(errorCodes)('%s has texts that can be shown and sent', (code) => {
    const row = errorTable[code]
    expect(code).toMatch(/^[a-z]+(?:-[a-z]+)*$/)
    for (const text of [row.local, row.remote]) expect(text).toMatch(/^[A-Z][^\n]*\.$/)
    expect(row.next).not.toBe('')
    for (const text of [row.local, row.remote, row.next]) expect(text.length).toBeLessThanOrEqual(limits.maxDetailChars)
    // What the other side does next is its own: only the operator has the commands.
    expect(row.remote).not.toMatch(/\bmoor\b/)
  })

  it('has no code that nothing answers with', () => {
    const declarations = /^protocol\/(?:errors\.ts$|host\/|guest\/|control\/)/
    const code = sources
      .filter((file) => !declarations.test(file) && !file.startsWith('scripts/'))
      .map(read)
      .join('\n')
    const unused = errorCodes.filter((name) => {
      const uses = [`'${name}'`, `errorTable.${name}.`, `${name}: '`]
      return !uses.some((use) => code.includes(use))
    })
    expect(unused).toEqual([])
  })

  it('has every code that code names', () => {
    const known = new Set<string>(errorCodes)
    const named = sources.flatMap((file) =>
      [...read(file).matchAll(/new MooringError\('([^']+)'/g)].map((match) => ({ file, code: match[1] ?? '' })),
    )
    expect(named.length).toBeGreaterThan(100)
    expect(named.filter(({ code }) => !known.has(code))).toEqual([])
  })

  it.each(operations)('has every code that $name may answer with', ({ op }) => {
    const known = new Set<ErrorCode>(errorCodes)
    expect(op.errors.filter((code) => !known.has(code))).toEqual([])
    expect(new Set(op.errors).size).toBe(op.errors.length)
  })

  it('has exit codes that say something', () => {
    // 0 is success, which no error is.
    expect(errorCodes.filter((code) => (errorTable[code].exit as number) === 0)).toEqual([])
  })
})
