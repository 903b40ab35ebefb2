import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { newCode } from '../../../../daemon/approvals/codes.ts'
import { askKey, requestDigest, storableManifest } from '../../../../daemon/approvals/digest.ts'
import { difference, uniteAsked, uniteGrants } from '../../../../daemon/approvals/grant-sets.ts'
import { hashSecret, madeAtMs, newSecret } from '../../../../daemon/approvals/invites.ts'
import { freeName } from '../../../../daemon/approvals/names.ts'
import { Queue } from '../../../../daemon/approvals/queue.ts'
import { allows, covers, formatGrant, parseGrant, type Want } from '../../../../protocol/grants.ts'
import { isName } from '../../../../protocol/ids.ts'
import { limits } from '../../../../protocol/limits.ts'
import { alice, bob, codeOf, manifestOf } from './world.ts'

/** A small universe, so that patterns meet often, and every question that can be asked about it. */
const patterns = ['space:home/notes', 'space:home/plan', 'space:home/*', 'space:work/*', 'space:*/*', 'agent:scout/*']
const subjects = [
  'space:home/notes',
  'space:home/plan',
  'space:home/x',
  'space:work/notes',
  'space:far/x',
  'agent:scout/x',
]
const grant = fc
  .tuple(fc.constantFrom('', '!'), fc.constantFrom('read', 'write'), fc.constantFrom(...patterns))
  .map(([deny, right, pattern]) => parseGrant(`${deny}blocks:${right}:${pattern}`))
const grants = fc.array(grant, { maxLength: 5 })
const questions: Want[] = subjects.flatMap((subject) =>
  (['read', 'write'] as const).map((right) => ({ area: 'blocks', right, subject }) as const),
)

describe('grants together', () => {
  it('permit nothing that neither part permitted', () => {
    fc.assert(
      fc.property(grants, grants, (held, given) => {
        const both = uniteGrants(held, given)
        for (const want of questions)
          if (allows(both, want)) expect(allows(held, want) || allows(given, want)).toBe(true)
      }),
    )
  })

  it('permit all that both parts permitted when nothing is denied', () => {
    const positive = grants.map((list) => list.filter(({ isDeny }) => !isDeny))
    fc.assert(
      fc.property(positive, positive, (held, given) => {
        const both = uniteGrants(held, given)
        for (const want of questions) expect(allows(both, want)).toBe(allows(held, want) || allows(given, want))
      }),
    )
  })

  it.each([
    ['the whole of what was denied is given', ['!blocks:read:space:home/notes'], ['blocks:read:space:home/notes'], []],
    [
      'a part of it is given',
      ['!blocks:read:space:home/*'],
      ['blocks:read:space:home/notes'],
      ['!blocks:read:space:home/*'],
    ],
    [
      'another right is given',
      ['!blocks:read:space:home/*'],
      ['blocks:write:space:home/*'],
      ['!blocks:read:space:home/*'],
    ],
  ])('end a held deny or keep it: %s', (_what, held, given, denies) => {
    const both = uniteGrants(held.map(parseGrant), given.map(parseGrant)).map(formatGrant)
    expect(both.filter((text) => text.startsWith('!'))).toEqual(denies)
  })

  it('count as seen afterwards, so that nothing is asked twice', () => {
    fc.assert(
      fc.property(grants, grants, (asked, wants) => {
        const seen = uniteAsked(asked, wants)
        expect(covers(seen, wants)).toBe(true)
        expect(covers(seen, asked)).toBe(true)
        expect(difference(seen, wants)).toEqual([])
      }),
    )
  })

  it('with what was shown of the difference cover the manifest', () => {
    fc.assert(
      fc.property(grants, grants, (asked, wants) => {
        const beyond = difference(asked, wants)
        expect(difference(uniteAsked(asked, beyond), wants)).toEqual([])
        expect(covers(wants, beyond)).toBe(true)
      }),
    )
  })
})

describe('the digest', () => {
  const base = { peer: alice, manifest: manifestOf(['ports:provide']), wants: ['ports:provide'], nonce: '00' }

  it('is SHA-256 over the canonical encoding of its parts', () => {
    const text = (value: string): Buffer => {
      const length = Buffer.byteLength(value)
      return Buffer.concat([Buffer.from(length < 24 ? [0x60 + length] : [0x78, length]), Buffer.from(value)])
    }
    const wants = Buffer.concat([Buffer.from([0x81]), text('ports:provide')])
    const manifest = [text('name'), text('notes'), text('wants'), wants, text('version'), text('1.0.0')]
    const parts = [text('mooring request'), text(alice), Buffer.from([0xa3]), ...manifest, wants, text('00')]
    const encoded = Buffer.concat([Buffer.from([0x85]), ...parts])
    expect(requestDigest(base)).toBe(createHash('sha256').update(encoded).digest('hex'))
  })

  it.each([
    ['the key', { ...base, peer: bob }],
    ['the manifest', { ...base, manifest: manifestOf(['ports:provide'], { version: '1.0.1' }) }],
    ['a field that this version does not know', { ...base, manifest: { ...base.manifest, extra: 1 } }],
    ['the wants', { ...base, wants: [] }],
    ['the nonce', { ...base, nonce: '01' }],
  ])('depends on %s', (_what, other) => {
    expect(requestDigest(other)).not.toBe(requestDigest(base))
  })

  it('holds for a manifest that came back from the store', () => {
    const key = fc.string({ minLength: 1 }).filter((text) => text !== '__proto__')
    const value = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.string())
    const json = fc.dictionary(key, fc.oneof(value, fc.array(value), fc.dictionary(key, value)), { maxKeys: 5 })
    fc.assert(
      fc.property(json, (extra) => {
        const manifest = storableManifest({ extra, ...manifestOf([]) })
        expect(askKey(storableManifest(JSON.parse(JSON.stringify(manifest))), [])).toBe(askKey(manifest, []))
      }),
      { numRuns: 50 },
    )
  })
})

describe('codes', () => {
  it('avoid the ones in use and give up on a source that repeats itself', async () => {
    let calls = 0
    const random = (bytes: number) => new Uint8Array(bytes).fill(calls++)
    expect(newCode(random, (code) => code === '222222')).toBe('333333')
    expect(
      await codeOf(
        (async () =>
          newCode(
            () => new Uint8Array(6),
            () => true,
          ))(),
      ),
    ).toBe('internal')
  })
})

describe('names', () => {
  it('with a number are names, and free', () => {
    const base = fc.stringMatching(/^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$/)
    fc.assert(
      fc.property(base, fc.integer({ min: 1, max: 12 }), (name, taken) => {
        const used = new Set<string>()
        for (let i = 0; i < taken; i++) used.add(freeName(name, (other) => used.has(other)))
        expect(used.size).toBe(taken)
        for (const one of used) expect(isName(one, limits.maxNameChars)).toBe(true)
      }),
    )
  })
})

describe('secrets', () => {
  it('know when they were made, and nobody can say otherwise', () => {
    const secret = newSecret(1_700_000_000_123, (bytes) => new Uint8Array(bytes).fill(7))
    expect(madeAtMs(secret)).toBe(1_700_000_000_123)
    // A secret that arrives is a view into a frame.
    const frame = new Uint8Array([1, 2, 3, ...secret])
    expect(madeAtMs(frame.subarray(3))).toBe(1_700_000_000_123)
    expect(hashSecret(frame.subarray(3))).toBe(hashSecret(secret))
    expect(madeAtMs(new Uint8Array(16).fill(255))).toBe(0)
  })
})

describe('the queue', () => {
  it('runs one task at a time, in order, and goes on after a failure', async () => {
    const queue = new Queue()
    const seen: string[] = []
    const task =
      (name: string, fails = false) =>
      async () => {
        seen.push(`${name} begins`)
        await Promise.resolve()
        seen.push(`${name} ends`)
        if (fails) throw new Error(name)
      }
    const first = queue.run(task('a', true))
    const second = queue.run(task('b'))
    expect(queue.waiting).toBe(2)
    await expect(first).rejects.toThrow('a')
    await second
    await queue.idle()
    expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends'])
    expect(queue.waiting).toBe(0)
  })
})
