/**
 * Grants taken together: what a key holds after an approval, what the operator has seen of it, what is new in its
 * manifest. Keeps true: together never permits more than one of the two parts did.
 */
import { covers, type Grant } from '../../protocol/index.ts'

/**
 * What a key may do after `given` was added to what it holds. A deny that it holds ends only when all of what it denies
 * was given; in doubt it stays, since a deny wins over everything.
 */
export const uniteGrants = (held: readonly Grant[], given: readonly Grant[]): Grant[] =>
  withoutRepetition([...held.filter((grant) => !grant.isDeny || !permitsAllOf(given, grant)), ...given])

/**
 * What the operator has seen after `shown` as well. Covers both parts, or a plugin would ask for the same again and
 * again: a deny stays only where the other part permits nothing that it denies. Decides what is asked, never what is
 * permitted.
 */
export const uniteAsked = (asked: readonly Grant[], shown: readonly Grant[]): Grant[] =>
  withoutRepetition([
    ...asked.filter((grant) => !grant.isDeny || !permitsPartOf(shown, grant)),
    ...shown.filter((grant) => !grant.isDeny || !permitsPartOf(asked, grant)),
  ])

/** What a manifest wants beyond what the operator has seen, with the denies of the manifest that cut into it. */
export function difference(asked: readonly Grant[], wants: readonly Grant[]): Grant[] {
  const denies = wants.filter((grant) => grant.isDeny)
  const beyond = wants.filter((grant) => !grant.isDeny && !covers(asked, [grant, ...denies]))
  return [...beyond, ...denies.filter((deny) => beyond.some((grant) => shared(grant, deny) !== undefined))]
}

/** Whether `wide` names everything that `narrow` names; whether they deny does not matter. */
const contains = (wide: Grant, narrow: Grant): boolean =>
  covers([{ ...wide, isDeny: false }], [{ ...narrow, isDeny: false }])

/** What both name: patterns are nested or disjoint, so it is the narrower one or nothing. */
const shared = (a: Grant, b: Grant): Grant | undefined => (contains(a, b) ? b : contains(b, a) ? a : undefined)

const permitsAllOf = (grants: readonly Grant[], deny: Grant): boolean =>
  grants.some((grant) => !grant.isDeny && contains(grant, deny)) &&
  !grants.some((grant) => grant.isDeny && shared(grant, deny) !== undefined)

const permitsPartOf = (grants: readonly Grant[], deny: Grant): boolean =>
  grants.some((grant) => {
    const part = grant.isDeny ? undefined : shared(grant, deny)
    return part !== undefined && !grants.some((other) => other.isDeny && contains(other, part))
  })

/** Leaves out what another grant of the list says already; of two that say the same, the first stays. */
const withoutRepetition = (grants: readonly Grant[]): Grant[] =>
  grants.filter(
    (grant, index) =>
      !grants.some(
        (other, at) =>
          at !== index &&
          other.isDeny === grant.isDeny &&
          contains(other, grant) &&
          (at < index || !contains(grant, other)),
      ),
  )
