/**
 * Grants: what a peer may do, as strings `area:right[:pattern]`, `!` in front to deny. Keeps true: nothing is allowed
 * that no grant names, a deny always wins, and no text outside the small alphabet of names ever matches anything.
 */
import { MooringError } from './errors.ts'
import { formOf, isPattern, isSubject, patternCovers, type SubjectForm } from './grant-pattern.ts'
import { isScope, type Scope } from './ids.ts'
import { limits } from './limits.ts'

export { addressKinds, isPattern, patternCovers, type SubjectForm } from './grant-pattern.ts'

interface RightRow {
  /** What the right is about; `none` for a right over the whole daemon, which takes no pattern. */
  readonly form: SubjectForm | 'none'
  /** What a peer with it may do, for the operator, as the rest of "may …"; `{}` stands for what the pattern names. */
  readonly meaning: string
  /** Set for a right that nothing asks for yet: the operator is told, so that nobody counts on it. */
  readonly isReserved?: true
}

/** Every right there is. A right is added here and nowhere else. No right implies another. */
export const grantTable = {
  blocks: {
    read: { form: 'block', meaning: 'read the content and the history of {}' },
    write: { form: 'block', meaning: 'change or erase any content of {}' },
    append: { form: 'block', meaning: 'add content to {} without changing what is there', isReserved: true },
    create: { form: 'block', meaning: 'create {}' },
    admin: { form: 'block', meaning: 'describe, delete and share {} and set its access' },
  },
  tasks: {
    read: { form: 'block', meaning: 'see the tasks of {}', isReserved: true },
    write: { form: 'block', meaning: 'create, claim and change the tasks of {}', isReserved: true },
  },
  message: {
    send: { form: 'address', meaning: 'send messages to {}', isReserved: true },
    receive: { form: 'address', meaning: 'read the messages sent to {}', isReserved: true },
  },
  agent: {
    serve: { form: 'name', meaning: 'act as {} and answer its messages', isReserved: true },
  },
  ports: {
    provide: { form: 'none', meaning: 'offer services that other plugins can call', isReserved: true },
  },
  daemon: {
    admin: {
      form: 'none',
      meaning: 'do everything the operator can: approve, revoke, configure and stop the daemon',
      isReserved: true,
    },
  },
} as const satisfies Record<string, Record<string, RightRow>>

export type Area = keyof typeof grantTable

/** An area with a right of that area: the compiler refuses a pair that the table does not have. */
export type AreaRight = {
  [A in Area]: { readonly area: A; readonly right: keyof (typeof grantTable)[A] & string }
}[Area]

/** A parsed grant. Made by {@link parseGrant} only, so its pattern always has the form that its right takes. */
export type Grant = AreaRight & {
  /** True for a grant that begins with `!`. */
  readonly isDeny: boolean
  /** Absent exactly when the right takes none. */
  readonly pattern?: string
}

/** What someone wants to do. `subject` is one thing, never a pattern, and is absent exactly when the right takes none. */
export type Want = AreaRight & { readonly subject?: string }

/**
 * Reads a grant. A right that takes a pattern must have one: a missing pattern never means "everything".
 *
 * @throws `invalid-input` with the rule that the text breaks; the text itself is not repeated, since it may come from a
 * plugin and end on a terminal.
 */
export function parseGrant(text: string): Grant {
  if (text.length > limits.maxGrantChars) refuse(`a grant has at most ${limits.maxGrantChars} characters`)
  const isDeny = text.startsWith('!')
  const [area = '', right = '', ...rest] = text.slice(isDeny ? 1 : 0).split(':')
  const row = rowOf(area, right)
  if (row === undefined) refuse('a grant is area:right[:pattern]; this area and right are not in the table of grants')
  const pattern = rest.length === 0 ? undefined : rest.join(':')
  if (row.form === 'none') {
    if (pattern !== undefined) refuse(`${area}:${right} takes no pattern`)
  } else if (pattern === undefined) {
    refuse(`${area}:${right} needs a pattern, ${patternHelp[row.form]}`)
  } else if (!isPattern(pattern, row.form)) {
    refuse(`the pattern of ${area}:${right} is ${patternHelp[row.form]}`)
  }
  // The row exists, so the pair is one of the table.
  return { isDeny, area, right, ...(pattern === undefined ? {} : { pattern }) } as Grant
}

/**
 * Reads a list of grants, as in `wants` of a manifest.
 *
 * @throws `invalid-input` above `limits.maxWants`, for a grant that is listed twice, or as {@link parseGrant}.
 */
export function parseGrants(texts: readonly string[]): Grant[] {
  if (texts.length > limits.maxWants) refuse(`at most ${limits.maxWants} grants`)
  if (new Set(texts).size !== texts.length) refuse('a grant is listed twice')
  return texts.map(parseGrant)
}

/** The text of a grant; the exact inverse of {@link parseGrant}. */
export function formatGrant(grant: Grant): string {
  const pattern = grant.pattern === undefined ? '' : `:${grant.pattern}`
  return `${grant.isDeny ? '!' : ''}${grant.area}:${grant.right}${pattern}`
}

/** A grant for people: `may read the content and the history of every block of space home`. Plain ASCII. */
export function describeGrant(grant: Grant): string {
  const row = rowOf(grant.area, grant.right)
  const named = grant.pattern === undefined ? '' : describePattern(grant.pattern)
  const verb = grant.isDeny ? 'must not' : 'may'
  const note = row?.isReserved === true ? '; without effect in this version' : ''
  return `${verb} ${(row?.meaning ?? '').replace('{}', () => named)}${note}`
}

/**
 * Whether the grants allow it. Some grant must name it and no deny may: the order of the list is without meaning.
 * A subject that is no well-formed address or name, a pattern included, is never allowed.
 */
export function allows(grants: readonly Grant[], want: Want): boolean {
  const form = rowOf(want.area, want.right)?.form
  if (form === undefined) return false
  const subject = want.subject
  if (form === 'none' ? subject !== undefined : subject === undefined || !isSubject(subject, form)) return false
  let isAllowed = false
  for (const grant of grants) {
    if (grant.area !== want.area || grant.right !== want.right || !matches(grant, subject)) continue
    if (grant.isDeny) return false
    isAllowed = true
  }
  return isAllowed
}

/**
 * Whether the grants allow it for a scope as a whole. What denies it for one block of the scope says nothing of the scope.
 */
export function allowsScope(grants: readonly Grant[], { area, right }: AreaRight, scope: Scope): boolean {
  if (!isScope(scope)) return false
  const over = grants.filter(
    (grant) =>
      grant.area === area &&
      grant.right === right &&
      grant.pattern !== undefined &&
      patternCovers(grant.pattern, `${scope}/*`),
  )
  return over.length > 0 && over.every((grant) => !grant.isDeny)
}

/**
 * Whether `given` permits nothing that `asked` does not. Every grant in `given` lies within one grant of `asked`, and
 * where a deny of `asked` cuts into it, `given` repeats that deny (or a wider one).
 */
export function covers(asked: readonly Grant[], given: readonly Grant[]): boolean {
  return given.every((grant) => {
    if (grant.isDeny) return true
    const related = asked.filter((other) => other.area === grant.area && other.right === grant.right)
    if (!related.some((other) => !other.isDeny && contains(other, grant))) return false
    return related.every((deny) => {
      if (!deny.isDeny) return true
      // Two patterns are nested or disjoint, so what they share is the narrower one.
      const shared = contains(grant, deny) ? deny : contains(deny, grant) ? grant : undefined
      return shared === undefined || isDenied(given, shared)
    })
  })
}

/**
 * Whether a peer is a member of a space (or of the scope of an agent): some grant over blocks names the scope or a block
 * in it, and no deny takes that away again.
 */
export function isMember(grants: readonly Grant[], scope: Scope): boolean {
  // Checked although typed: the branded type is a promise of the caller, and `space:*` would be a member everywhere.
  if (!isScope(scope)) return false
  const everything = `${scope}/*`
  return grants.some((grant) => {
    if (grant.isDeny || grant.area !== 'blocks' || grant.pattern === undefined) return false
    if (patternCovers(grant.pattern, everything)) return !isDenied(grants, { ...grant, pattern: everything })
    return patternCovers(everything, grant.pattern) && !isDenied(grants, grant)
  })
}

const patternHelp: Record<SubjectForm, string> = {
  block: 'space:<id>/<label> or agent:<id>/<label>; <label>, or <id> and <label>, can be *',
  address: 'agent:<name>, plugin:<name>, thread:<name> or user:<name>; <name> can be *',
  name: 'a name or *',
}

function matches(grant: Grant, subject: string | undefined): boolean {
  if (grant.pattern === undefined || subject === undefined) return grant.pattern === subject
  const star = grant.pattern.indexOf('*')
  // A well-formed subject has as many segments as the pattern, so a prefix that ends at a separator is a match.
  return star < 0 ? grant.pattern === subject : subject.startsWith(grant.pattern.slice(0, star))
}

/** Whether one grant's pattern lies within the other's; both are of one area and right. */
function contains(wide: Grant, narrow: Grant): boolean {
  if (wide.pattern === undefined || narrow.pattern === undefined) return wide.pattern === narrow.pattern
  return patternCovers(wide.pattern, narrow.pattern)
}

/** Whether a deny in the list takes away all of the grant. */
function isDenied(grants: readonly Grant[], grant: Grant): boolean {
  return grants.some(
    (deny) => deny.isDeny && deny.area === grant.area && deny.right === grant.right && contains(deny, grant),
  )
}

function rowOf(area: string, right: string): RightRow | undefined {
  if (!Object.hasOwn(grantTable, area)) return undefined
  const rights: Record<string, RightRow> = grantTable[area as Area]
  return Object.hasOwn(rights, right) ? rights[right] : undefined
}

function describePattern(pattern: string): string {
  const [, kind = '', id = '', label = ''] = /^(?:([a-z]+):)?([^/]+)(?:\/(.+))?$/.exec(pattern) ?? []
  switch (formOf(pattern)) {
    case 'block': {
      const scope = id === '*' ? `every ${kind}` : `${kind} ${id}`
      return label === '*' ? `every block of ${scope}` : `block ${label} of ${scope}`
    }
    case 'address':
      return id === '*' ? `every ${kind}` : `${kind} ${id}`
    default:
      return id === '*' ? 'every agent' : `agent ${id}`
  }
}

function refuse(detail: string): never {
  throw new MooringError('invalid-input', { detail })
}
