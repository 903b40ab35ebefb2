import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MooringError } from '../../../protocol/errors.ts'
import { patternCovers } from '../../../protocol/grant-pattern.ts'
import {
  type AreaRight,
  allows,
  allowsScope,
  covers,
  describeGrant,
  formatGrant,
  type Grant,
  grantTable,
  isMember,
  parseGrant,
  parseGrants,
  type Want,
} from '../../../protocol/grants.ts'
import type { Scope } from '../../../protocol/ids.ts'
import { limits } from '../../../protocol/limits.ts'

const grantsOf = (...texts: string[]): Grant[] => texts.map(parseGrant)

/** Every right of the table with the form of its pattern. */
const allRights: Array<{ area: string; right: string; form: 'block' | 'address' | 'name' | 'none' }> = Object.entries<
  Record<string, { form: 'block' | 'address' | 'name' | 'none' }>
>(grantTable).flatMap(([area, rights]) =>
  Object.entries(rights).map(([right, row]) => ({ area, right, form: row.form })),
)

/** Wants of the table's rights, also such that the types would refuse. */
const want = (area: string, right: string, subject?: string): Want =>
  ({ area, right, ...(subject === undefined ? {} : { subject }) }) as unknown as Want

function refusalOf(text: string): string {
  try {
    parseGrant(text)
  } catch (error) {
    if (error instanceof MooringError && error.code === 'invalid-input') return error.detail ?? ''
    throw error
  }
  return 'accepted'
}

describe('parseGrant', () => {
  it.each([
    'blocks:read:space:home/*',
    'blocks:write:space:home/notes',
    'blocks:append:agent:scout/*',
    'blocks:create:space:*/*',
    '!blocks:admin:agent:*/*',
    'blocks:read:space:a.b-c_d/e.f-g_h',
    'message:send:agent:*',
    'message:receive:agent:scout',
    'message:send:plugin:mail-bridge',
    'message:send:thread:t1',
    'message:send:user:*',
    'agent:serve:scout',
    'agent:serve:*',
    'tasks:write:space:home/*',
    '!tasks:read:space:home/board',
    'ports:provide',
    '!ports:provide',
    'daemon:admin',
  ])('reads %s and writes it back', (text) => {
    const grant = parseGrant(text)
    expect(formatGrant(grant)).toBe(text)
    expect(grant.isDeny).toBe(text.startsWith('!'))
    expect(text.includes(`${grant.area}:${grant.right}`)).toBe(true)
  })

  it.each([
    '',
    '!',
    '*',
    'blocks',
    'blocks:read',
    'blocks:read:',
    'blocks:read:*',
    'blocks:*:space:home/*',
    '*:read:space:home/*',
    'blocks:read:space:home',
    'blocks:read:space:home/',
    'blocks:read:space:/notes',
    'blocks:read:space:*',
    'blocks:read:space:*/notes',
    'blocks:read:*/*',
    'blocks:read:*:*/*',
    'blocks:read:*:home/*',
    'blocks:read:agent:*',
    'blocks:read:agent:scout',
    'blocks:read:thread:home/*',
    'blocks:read:space:home/**',
    'blocks:read:space:home/*x',
    'blocks:read:space:home/note-*',
    'blocks:read:space:ho*/*',
    'blocks:read:space:home/notes/*',
    'blocks:read:space:home:x/*',
    'blocks:read:space:home/no tes',
    'blocks:read:space:home/not\u0000es',
    'blocks:read:space:home/notes\n',
    'blocks:read:space:Home/*',
    'blocks:read:space:home/Notes',
    'blocks:read:space:hоme/*',
    'blocks:read:space:ｈome/*',
    'blocks:read:space:home\u200b/*',
    'blocks:read:space:home/\u202enotes',
    'blocks:read:space:home/%2e%2e',
    'blocks:read:space:../*',
    'blocks:read:space:home/..',
    'blocks:read:space:home/a..b',
    'blocks:read:space:home/.notes',
    'blocks:read:space:home/notes.',
    'blocks:read:space:home/?',
    'blocks:read:space:home/[a-z]',
    'blocks:read:space:home/.*',
    'blocks:read:space:home\\notes',
    `blocks:read:space:${'a'.repeat(65)}/*`,
    `blocks:read:space:home/${'a'.repeat(129)}`,
    'blocks:reads:space:home/*',
    'Blocks:read:space:home/*',
    ' blocks:read:space:home/*',
    'blocks:read:space:home/* ',
    '!!blocks:read:space:home/*',
    '! blocks:read:space:home/*',
    'blocks:!read:space:home/*',
    'blocks::space:home/*',
    'message:send',
    'message:send:*',
    'message:send:scout',
    'message:send:space:home',
    'message:send:agent:home/x',
    'message:send:agent:',
    'message:send:agent:*:*',
    'agent:serve',
    'agent:serve:agent:scout',
    'agent:serve:sc*',
    'ports:provide:*',
    'ports:provide:',
    'daemon:admin:*',
    'ports:provide:x',
    'constructor:name',
    '__proto__:toString',
    'blocks:constructor:space:home/*',
    'blocks:__proto__:space:home/*',
  ])('refuses %j', (text) => {
    expect(refusalOf(text)).not.toBe('accepted')
  })

  it('never repeats what it refuses', () => {
    expect(refusalOf('blocks:read:space:\u001b[2Jhome/*')).not.toContain('\u001b')
    expect(refusalOf('\u001b[2J:read')).not.toContain('\u001b')
  })

  it('never takes a missing pattern for everything', () => {
    for (const { area, right, form } of allRights) {
      expect(refusalOf(`${area}:${right}`) === 'accepted').toBe(form === 'none')
      expect(refusalOf(`${area}:${right}:*`) === 'accepted').toBe(form === 'name')
    }
  })

  it('writes back exactly what it accepts, and accepts only plain text', () => {
    const parts = [
      'blocks',
      'read',
      'agent',
      'serve',
      'message',
      'send',
      'space',
      'home',
      'a',
      '*',
      ':',
      '/',
      '!',
      '.',
      'A',
      'é',
    ]
    const texts = fc.oneof(
      fc.array(fc.constantFrom(...parts), { maxLength: 12 }).map((chosen) => chosen.join('')),
      fc.constantFrom(...parts).map((part) => `blocks:read:space:home/${part}`),
      fc.string().map((text) => `agent:serve:${text}`),
    )
    let accepted = 0
    fc.assert(
      fc.property(texts, (text) => {
        if (refusalOf(text) !== 'accepted') return
        accepted++
        expect(formatGrant(parseGrant(text))).toBe(text)
        expect(text).toMatch(/^[!-~]+$/)
      }),
      { numRuns: 5_000 },
    )
    expect(accepted).toBeGreaterThan(50)
  })
})

describe('parseGrants', () => {
  it('reads a list and refuses a repeated grant and too many', () => {
    expect(parseGrants(['ports:provide', 'agent:serve:scout']).map(formatGrant)).toEqual([
      'ports:provide',
      'agent:serve:scout',
    ])
    expect(() => parseGrants(['ports:provide', 'ports:provide'])).toThrow(MooringError)
    const many = Array.from({ length: limits.maxWants + 1 }, (_, i) => `agent:serve:a${i}`)
    expect(() => parseGrants(many)).toThrow(MooringError)
    expect(parseGrants(many.slice(1))).toHaveLength(limits.maxWants)
  })
})

describe('allows', () => {
  it.each<[string[], string, string, string | undefined, boolean]>([
    [['blocks:read:space:home/*'], 'blocks', 'read', 'space:home/notes', true],
    [['blocks:read:space:home/*'], 'blocks', 'read', 'space:home2/x', false],
    [['blocks:read:space:home/*'], 'blocks', 'read', 'space:home', false],
    [['blocks:read:space:home/*'], 'blocks', 'read', 'space:home/', false],
    [['blocks:read:space:home/*'], 'blocks', 'read', 'agent:home/x', false],
    [['blocks:read:space:home/*'], 'blocks', 'read', 'space:home/*', false],
    [['blocks:read:space:home/*'], 'blocks', 'read', 'space:home/a/b', false],
    [['blocks:read:space:home/*'], 'blocks', 'read', 'space:home/../secret/x', false],
    [['blocks:read:space:home/*'], 'blocks', 'read', 'space:home/Notes', false],
    [['blocks:read:space:home/*'], 'blocks', 'read', 'space:home/nоtes', false],
    [['blocks:read:space:home/*'], 'blocks', 'read', 'space:home/not\u0000es', false],
    [['blocks:read:space:home/*'], 'blocks', 'read', 'space:home/notes\n', false],
    [['blocks:read:space:home/*'], 'blocks', 'read', undefined, false],
    [['blocks:read:space:home/*'], 'blocks', 'write', 'space:home/notes', false],
    [['blocks:write:space:home/*'], 'blocks', 'read', 'space:home/notes', false],
    [['blocks:write:space:home/*'], 'blocks', 'append', 'space:home/notes', false],
    [['blocks:admin:space:home/*'], 'blocks', 'read', 'space:home/notes', false],
    [['blocks:read:space:home/notes'], 'blocks', 'read', 'space:home/notes', true],
    [['blocks:read:space:home/notes'], 'blocks', 'read', 'space:home/notes2', false],
    [['blocks:read:space:home/notes'], 'blocks', 'read', 'space:home/note', false],
    [['blocks:read:space:*/*'], 'blocks', 'read', 'space:any/thing', true],
    [['blocks:read:space:*/*'], 'blocks', 'read', 'agent:any/thing', false],
    [['blocks:read:space:*/*', '!blocks:read:space:home/*'], 'blocks', 'read', 'space:home/notes', false],
    [['blocks:read:space:*/*', '!blocks:read:space:home/*'], 'blocks', 'read', 'space:home2/notes', true],
    [['!blocks:read:space:home/notes', 'blocks:read:space:home/notes'], 'blocks', 'read', 'space:home/notes', false],
    [['!blocks:write:space:home/notes', 'blocks:read:space:home/notes'], 'blocks', 'read', 'space:home/notes', true],
    [['!blocks:read:space:home/notes'], 'blocks', 'read', 'space:home/other', false],
    [['tasks:read:space:home/*'], 'blocks', 'read', 'space:home/notes', false],
    [['message:send:agent:*'], 'message', 'send', 'agent:scout', true],
    [['message:send:agent:*'], 'message', 'send', 'agent:', false],
    [['message:send:agent:*'], 'message', 'send', 'agent:home/x', false],
    [['message:send:agent:*'], 'message', 'send', 'agents:scout', false],
    [['message:send:agent:*'], 'message', 'send', 'user:ann', false],
    [['message:send:agent:*'], 'message', 'receive', 'agent:scout', false],
    [['message:send:agent:scout'], 'message', 'send', 'agent:scout2', false],
    [['agent:serve:scout'], 'agent', 'serve', 'scout', true],
    [['agent:serve:scout'], 'agent', 'serve', 'agent:scout', false],
    [['agent:serve:*'], 'agent', 'serve', 'anyone', true],
    [['agent:serve:*'], 'agent', 'serve', 'any one', false],
    [['agent:serve:*'], 'agent', 'serve', '', false],
    [['ports:provide'], 'ports', 'provide', undefined, true],
    [['ports:provide'], 'ports', 'provide', 'x', false],
    [['ports:provide', '!ports:provide'], 'ports', 'provide', undefined, false],
    [['daemon:admin'], 'ports', 'provide', undefined, false],
    [['daemon:admin'], 'blocks', 'read', 'space:home/notes', false],
    [['daemon:admin'], 'constructor', 'name', undefined, false],
    [[], 'daemon', 'admin', undefined, false],
  ])('of %j for %s:%s %j is %s', (grants, area, right, subject, expected) => {
    expect(allows(grantsOf(...grants), want(area, right, subject))).toBe(expected)
  })
})

describe('patternCovers', () => {
  it.each<[string, string, boolean]>([
    ['space:*/*', 'space:home/*', true],
    ['space:*/*', 'space:*/*', true],
    ['space:home/*', 'space:*/*', false],
    ['space:home/*', 'space:home/notes', true],
    ['space:home/*', 'space:home2/*', false],
    ['space:home/notes', 'space:home/*', false],
    ['space:*/*', 'agent:home/*', false],
    ['agent:*', 'agent:scout', true],
    ['agent:*', 'agent:home/x', false],
    ['agent:*', 'agent:*/*', false],
    ['*', 'scout', true],
    ['*', 'agent:scout', false],
    ['*', 'space:home/x', false],
    ['scout', '*', false],
    ['space:home/*', 'space:home/', false],
    ['space:home/*', 'space:home/a*', false],
    ['space:home/*', 'space:home/a/*', false],
    ['', '', false],
    ['space:home/[x]', 'space:home/[x]', false],
  ])('of %j over %j is %s', (wide, narrow, expected) => {
    expect(patternCovers(wide, narrow)).toBe(expected)
  })
})

/** A small world, matched by splitting and comparing segments: nothing of the implementation is used. */
const world: Array<AreaRight & { subject?: string }> = [
  ...(['read', 'write'] as const).flatMap((right) =>
    ['space:a/x', 'space:a/y', 'space:a/z', 'space:b/x', 'space:ab/x', 'agent:a/x', 'agent:b/y'].map((subject) => ({
      area: 'blocks' as const,
      right,
      subject,
    })),
  ),
  ...['agent:a', 'agent:b', 'user:a'].map((subject) => ({ area: 'message' as const, right: 'send' as const, subject })),
  ...['a', 'b'].map((subject) => ({ area: 'agent' as const, right: 'serve' as const, subject })),
  { area: 'ports', right: 'provide' },
]
const blockPatterns = [
  'space:*/*',
  'agent:*/*',
  'space:a/*',
  'space:b/*',
  'space:ab/*',
  'agent:a/*',
  'space:a/x',
  'space:a/y',
  'agent:b/y',
]
const grantTexts = [
  ...['read', 'write'].flatMap((right) => blockPatterns.map((pattern) => `blocks:${right}:${pattern}`)),
  ...['agent:*', 'agent:a', 'user:*', 'user:a'].map((pattern) => `message:send:${pattern}`),
  ...['*', 'a', 'b'].map((pattern) => `agent:serve:${pattern}`),
  'ports:provide',
].flatMap((text) => [text, text, `!${text}`])

function oracleAllows(texts: readonly string[], wanted: (typeof world)[number]): boolean {
  const segments = [wanted.area, wanted.right, ...(wanted.subject?.split(/[:/]/) ?? [])]
  const hit = (text: string): boolean => {
    const pattern = text.replace('!', '').split(/[:/]/)
    return pattern.length === segments.length && pattern.every((part, i) => part === '*' || part === segments[i])
  }
  const hits = texts.filter(hit)
  return hits.length > 0 && hits.every((text) => !text.startsWith('!'))
}

const lists = fc.array(fc.constantFrom(...grantTexts), { maxLength: 7 })

describe('grants as sets', () => {
  it('allow what an independent matcher allows', () => {
    fc.assert(
      fc.property(lists, (texts) => {
        const grants = grantsOf(...texts)
        for (const wanted of world) expect(allows(grants, wanted)).toBe(oracleAllows(texts, wanted))
      }),
      { numRuns: 1_000 },
    )
  })

  it('that are covered allow nothing that was not asked', () => {
    let covered = 0
    let refused = 0
    // Half of the lists are made from what was asked, otherwise few would be covered at all.
    const pairs = fc.tuple(lists, lists, fc.boolean(), fc.nat()).map(([asked, other, isDerived, seed]) => ({
      asked,
      given: isDerived
        ? [...asked.filter((text, i) => text.startsWith('!') || (seed >> i) & 1), ...other.slice(0, 1)]
        : other,
    }))
    fc.assert(
      fc.property(pairs, ({ asked, given }) => {
        if (!covers(grantsOf(...asked), grantsOf(...given))) {
          refused++
          return
        }
        covered++
        for (const wanted of world) {
          expect(oracleAllows(given, wanted) && !oracleAllows(asked, wanted)).toBe(false)
        }
      }),
      { numRuns: 10_000 },
    )
    expect(covered).toBeGreaterThan(1_000)
    expect(refused).toBeGreaterThan(1_000)
  })

  it('cover themselves, what remains of them without a grant, and what is left after a further deny', () => {
    fc.assert(
      fc.property(lists, fc.constantFrom(...grantTexts), (asked, extra) => {
        const grants = grantsOf(...asked)
        const positives = grants.filter((grant) => !grant.isDeny)
        const denies = grants.filter((grant) => grant.isDeny)
        // A grant that is itself denied in full is given as asked: its deny comes along.
        expect(covers(grants, grants)).toBe(true)
        expect(covers(grants, [...denies, ...positives.slice(1)])).toBe(true)
        expect(covers(grants, [...grants, parseGrant(`!${extra.replace('!', '')}`)])).toBe(true)
        expect(covers(grants, [])).toBe(true)
      }),
    )
  })

  it.each<[string[], string[], boolean]>([
    [['blocks:read:space:home/*'], ['blocks:read:space:home/notes'], true],
    [['blocks:read:space:home/notes'], ['blocks:read:space:home/*'], false],
    [['blocks:read:space:home/*'], ['blocks:write:space:home/notes'], false],
    [['blocks:read:space:*/*', '!blocks:read:space:home/*'], ['blocks:read:space:*/*'], false],
    [['blocks:read:space:*/*', '!blocks:read:space:home/*'], ['blocks:read:space:work/*'], true],
    [['blocks:read:space:*/*', '!blocks:read:space:home/*'], ['blocks:read:space:home/notes'], false],
    [
      ['blocks:read:space:*/*', '!blocks:read:space:home/*'],
      ['blocks:read:space:*/*', '!blocks:read:space:home/notes'],
      false,
    ],
    [
      ['blocks:read:space:*/*', '!blocks:read:space:home/notes'],
      ['blocks:read:space:*/*', '!blocks:read:space:home/*'],
      true,
    ],
    [
      ['blocks:read:space:*/*', '!blocks:read:space:home/*'],
      ['blocks:read:space:*/*', '!blocks:write:space:home/*'],
      false,
    ],
    [['message:send:agent:*'], ['agent:serve:*'], false],
    [['ports:provide'], ['ports:provide'], true],
    [['ports:provide', '!ports:provide'], ['ports:provide'], false],
    [[], ['!daemon:admin'], true],
    [[], ['daemon:admin'], false],
  ])('%j asked, %j given: covered is %s', (asked, given, expected) => {
    expect(covers(grantsOf(...asked), grantsOf(...given))).toBe(expected)
  })
})

describe('isMember', () => {
  it.each<[string[], string, boolean]>([
    [['blocks:read:space:home/*'], 'space:home', true],
    [['blocks:read:space:home/notes'], 'space:home', true],
    [['blocks:append:space:*/*'], 'space:home', true],
    [['blocks:read:space:home2/*'], 'space:home', false],
    [['blocks:read:agent:home/*'], 'space:home', false],
    [['blocks:read:agent:home/*'], 'agent:home', true],
    [['tasks:read:space:home/*'], 'space:home', false],
    [['!blocks:read:space:home/*'], 'space:home', false],
    [['blocks:read:space:*/*', '!blocks:read:space:home/*'], 'space:home', false],
    [['blocks:read:space:*/*', '!blocks:read:space:home/*'], 'space:work', true],
    [['blocks:read:space:home/*', '!blocks:read:space:home/notes'], 'space:home', true],
    [['blocks:read:space:home/notes', '!blocks:read:space:home/*'], 'space:home', false],
    [['blocks:read:space:home/notes', '!blocks:read:space:home/notes'], 'space:home', false],
    [['blocks:read:space:home/*', '!blocks:write:space:home/*'], 'space:home', true],
    [['blocks:read:space:*/*'], 'space:*', false],
    [['blocks:read:space:*/*'], 'space:Home', false],
    [['blocks:read:space:*/*'], 'space:home/notes', false],
    [[], 'space:home', false],
  ])('of %j in %s is %s', (grants, scope, expected) => {
    expect(isMember(grantsOf(...grants), scope as Scope)).toBe(expected)
  })
})

describe('allowsScope', () => {
  const home = 'space:home' as Scope
  const read = { area: 'blocks', right: 'read' } as const
  const may = (...texts: string[]) => allowsScope(texts.map(parseGrant), read, home)

  it.each([
    [['blocks:read:space:home/*'], true],
    [['blocks:read:space:*/*'], true],
    [['blocks:read:space:home/*', '!blocks:read:space:home/secret'], true],
    [['blocks:read:space:home/notes'], false],
    [['blocks:read:space:homes/*'], false],
    [['blocks:read:agent:home/*'], false],
    [['blocks:write:space:home/*'], false],
    [['blocks:read:space:home/*', '!blocks:read:space:home/*'], false],
    [['blocks:read:space:home/*', '!blocks:read:space:*/*'], false],
    [['!blocks:read:space:other/*', 'blocks:read:space:home/*'], true],
    [[], false],
  ])('%j: %s', (texts, expected) => {
    expect(may(...texts)).toBe(expected)
  })

  it('has no answer for a pattern', () => {
    expect(allowsScope([parseGrant('blocks:read:space:*/*')], read, 'space:*' as Scope)).toBe(false)
  })
})

describe('describeGrant', () => {
  it.each([
    ['blocks:read:space:home/*', 'may read the content and the history of every block of space home'],
    ['blocks:write:space:home/notes', 'may change or erase any content of block notes of space home'],
    ['!blocks:write:space:*/*', 'must not change or erase any content of every block of every space'],
    ['blocks:create:agent:scout/*', 'may create every block of agent scout'],
    ['message:send:agent:*', 'may send messages to every agent; without effect in this version'],
    ['message:receive:user:ann', 'may read the messages sent to user ann; without effect in this version'],
    ['agent:serve:scout', 'may act as agent scout and answer its messages; without effect in this version'],
    ['agent:serve:*', 'may act as every agent and answer its messages; without effect in this version'],
    ['ports:provide', 'may offer services that other plugins can call; without effect in this version'],
  ])('says what %s means', (text, expected) => {
    expect(describeGrant(parseGrant(text))).toBe(expected)
  })

  it('has one printable sentence for every right', () => {
    const sentences = new Set<string>()
    for (const { area, right, form } of allRights) {
      const pattern = { block: ':space:home/x', address: ':agent:home', name: ':home', none: '' }[form]
      const sentence = describeGrant(parseGrant(`${area}:${right}${pattern}`))
      expect(sentence).toMatch(/^may [ -z]+$/)
      expect(sentence.includes('home')).toBe(form !== 'none')
      sentences.add(sentence)
    }
    expect(sentences.size).toBe(allRights.length)
  })
})
