/** Cards for people: the daemon, a request, a peer. Keeps true: text of a peer is sanitised, its key is always shown. */
import { describeGrant, type PeerCard, parseGrant, type RequestCard, type StatusCard } from '../../protocol/index.ts'
import { formatDuration } from './duration.ts'
import { keyOf, person, safeId, safeLine } from './sanitize.ts'
import { fields } from './table.ts'

/** The card of the daemon. `note`: what is special this time, beside the version. */
export function statusLines(status: StatusCard, nowMs: number, note?: string): string[] {
  const addresses = status.addresses.slice(0, 16).map((address) => safeId(address, 256))
  return [
    `mooring ${safeId(status.version, 32)}${note === undefined ? '' : `  ${note}`}`,
    '',
    ...fields([
      ['key', keyOf(status.peer)],
      ['peer', safeId(status.peer)],
      ...addresses.map((address, i) => [i === 0 ? 'address' : '', address] as const),
      ['state', `${status.state}, pid ${status.pid}, up ${formatDuration(nowMs - status.startedAtMs)}`],
      ['data', safeLine(status.stateDir, 400)],
      ['plugins', `${status.plugins.live} connected, ${status.plugins.approved} approved`],
      ['blocks', `${status.blocks} with ${status.changes} changes`],
      ...(status.quarantined === 0 ? [] : [['aside', `${status.quarantined} changes in quarantine`] as const]),
      ...(status.suspended === 0 ? [] : [['suspended', `${status.suspended} plugins may not write`] as const]),
      ...status.suspensions.slice(0, 8).map((one) => ['', `${person(one)}: ${safeLine(one.reason)}`] as const),
      ...(status.damaged === 0 ? [] : [['damaged', `${status.damaged} on the disk; nothing of it is served`] as const]),
      ...status.damages
        .slice(0, 8)
        .map(({ what, next }) => ['', `${safeLine(what, 600)} (${safeLine(next, 200)})`] as const),
      ['requests', status.requests === 0 ? 'none' : `${status.requests} waiting for you`],
    ]),
  ]
}

/** The exact next command that helps now. */
export function nextAfterStatus(status: StatusCard): string {
  if (status.requests > 0) return 'moor requests'
  if (status.damaged > 0) return 'moor logs --level error'
  if (status.plugins.approved === 0) return firstPlugin
  return status.quarantined > 0 ? 'moor quarantine list' : 'moor peers'
}

/** How the first plugin gets in: it asks by itself, and a ticket is for one that is elsewhere. */
export const firstPlugin = 'start a plugin, then moor requests (for one on another machine: moor invite)'

/** All that the operator must see before deciding. `giving` is what an approval would grant. */
export function requestLines(
  card: RequestCard,
  giving: { name: string; grants: readonly string[] },
  nowMs: number,
): string[] {
  const { manifest } = card
  const isGiven = new Set(giving.grants)
  const kept = card.wants.filter((want) => !isGiven.has(want))
  const isOpen = card.state === 'pending'
  return [
    `request ${safeId(card.code, 16)}: ${safeId(manifest.name, 64)} ${safeId(manifest.version, 32)}`,
    ...fields([
      ['key', keyOf(card.peer)],
      ['peer', safeId(card.peer)],
      // Quoted: it is what the plugin says about itself, never a word of this program.
      ...(manifest.description === undefined ? [] : [['says', `"${safeLine(manifest.description)}"`] as const]),
      ['from', safeId(card.from, 256)],
      ['name', `${safeId(giving.name, 64)}`],
      ['state', isOpen ? `pending, expires in ${formatDuration(card.expiresAtMs - nowMs)}` : card.state],
      ...grantFields(isOpen ? 'gets' : 'asked', isOpen ? giving.grants : card.wants),
      ...grantFields('not', isOpen ? kept : []),
      ...grantFields('holds', card.holds),
    ]),
  ]
}

export function peerLines(card: PeerCard): string[] {
  return [
    `${safeId(card.name, 64)} is ${card.state}`,
    ...fields([
      ['key', keyOf(card.peer)],
      ['peer', safeId(card.peer)],
      ...(card.suspended === undefined ? [] : [['suspended', safeLine(card.suspended)] as const]),
      ...grantFields('may', card.grants),
      ...card.sessions
        .slice(0, 64)
        .map(
          (session, i) =>
            [i === 0 ? 'live' : '', `${safeId(session.version, 32)} from ${safeId(session.from, 256)}`] as const,
        ),
    ]),
  ]
}

/** A grant as it is written and in plain words. */
export function grantLine(text: string): string {
  try {
    return `${safeId(text, 256)}  (${describeGrant(parseGrant(text))})`
  } catch {
    // A newer daemon has rights that this command does not know: shown as written, never left out.
    return safeId(text, 256)
  }
}

const grantFields = (label: string, grants: readonly string[]): (readonly [string, string])[] =>
  grants.map((grant, i) => [i === 0 ? label : '', grantLine(grant)] as const)
