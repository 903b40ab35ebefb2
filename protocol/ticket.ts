/**
 * Tickets: all that a plugin needs to find a daemon, as one line to copy. Keeps true: a ticket with any single mistake in
 * it (a letter mistyped, two swapped, a piece cut off) is refused, and one daemon, address list and invite has one ticket.
 *
 * Text: `moor1`, then base32 of version byte ‖ canonical CBOR `[daemon, addresses]` or `[daemon, addresses, invite]` ‖
 * the first 5 bytes of SHA-256("mooring ticket" ‖ version byte ‖ CBOR).
 */
import { createHash } from 'node:crypto'
import { base32Decode, base32Encode } from './base32.ts'
import { decodeValue, encodeValue } from './codec.ts'
import { isDialAddress } from './dial-address.ts'
import { type ErrorCode, MooringError } from './errors.ts'
import { isPeerId, type PeerId } from './ids.ts'

export interface Ticket {
  readonly daemon: PeerId
  /** Multiaddrs without the peer id, 1 to 16, such as `/ip4/192.0.2.7/udp/4001/quic-v1`, in the order to try. */
  readonly addresses: readonly string[]
  /** One-time secret that approves whoever claims it first, 16 to 64 bytes. */
  readonly invite?: Uint8Array
}

const prefix = 'moor1'
const version = 1
/** 40 bits: eight whole letters, so the checksum ends where a letter ends. */
const checksumBytes = 5
const maxAddresses = 16
const minInviteBytes = 16
const maxInviteBytes = 64
/** Sixteen addresses of full length, with everything else, are below 7,200 characters. */
const maxTicketChars = 8_192
const plainForm = /^[0-9A-Za-z]*$/

/** @throws `invalid-input` when a part has not the shape that {@link Ticket} says. */
export function formatTicket(ticket: Ticket): string {
  checkParts(ticket.daemon, ticket.addresses, ticket.invite, 'invalid-input')
  const parts = [ticket.daemon, ticket.addresses, ...(ticket.invite === undefined ? [] : [ticket.invite])]
  const contents = encodeValue(parts)
  const payload = new Uint8Array(1 + contents.length + checksumBytes)
  payload[0] = version
  payload.set(contents, 1)
  payload.set(checksumOf(payload.subarray(0, -checksumBytes)), 1 + contents.length)
  return prefix + base32Encode(payload)
}

/**
 * Reads a ticket; white space around it is ignored. Accepted in lower case or in upper case as a whole, since some
 * programs capitalise what is dictated or scanned; mixed case is a sign of damage.
 *
 * @throws `ticket-invalid` with what is wrong: no ticket at all, damaged, a version of a newer daemon, or its contents.
 */
export function parseTicket(text: string): Ticket {
  const trimmed = text.length > 2 * maxTicketChars ? text : text.trim()
  if (trimmed.length > maxTicketChars) refuse(`longer than ${maxTicketChars} characters`)
  const lower = trimmed.toLowerCase()
  if (!lower.startsWith(prefix)) refuse('a ticket begins with moor1')
  // Before folding case matters: the Kelvin sign, for one, is a letter that becomes an ordinary k.
  if (!plainForm.test(trimmed)) refuse('damaged: it has letters that no ticket has')
  if (trimmed !== lower && trimmed !== trimmed.toUpperCase()) refuse('damaged: upper and lower case are mixed')
  const payload = base32Decode(lower.slice(prefix.length))
  if (payload === undefined || payload.length <= 1 + checksumBytes) {
    refuse('damaged: it has letters that no ticket has, or is cut off')
  }
  const body = payload.subarray(0, -checksumBytes)
  const checksum = checksumOf(body)
  if (!payload.subarray(-checksumBytes).every((byte, i) => byte === checksum[i])) {
    refuse('damaged: the checksum does not match')
  }
  if (body[0] !== version) refuse(`version ${body[0]}, but this program reads version ${version}`)
  return readContents(body.subarray(1))
}

function readContents(bytes: Uint8Array): Ticket {
  let parts: unknown
  try {
    parts = decodeValue(bytes, { maxDepth: 2, maxItems: 4 + maxAddresses })
  } catch (cause) {
    throw new MooringError('ticket-invalid', { detail: 'the contents cannot be read', cause })
  }
  if (!Array.isArray(parts) || parts.length < 2 || parts.length > 3) refuse('the contents have another shape')
  const [daemon, addresses, invite]: unknown[] = parts
  if (parts.length === 3 && invite === null) refuse('the contents have another shape')
  const checked = checkParts(daemon, addresses, invite, 'ticket-invalid')
  // Copied: what was decoded is a view, and a secret should not keep the whole text of the ticket in memory.
  return checked.invite === undefined ? checked : { ...checked, invite: checked.invite.slice() }
}

function checkParts(daemon: unknown, addresses: unknown, invite: unknown, code: ErrorCode): Ticket {
  if (typeof daemon !== 'string' || !isPeerId(daemon)) refuse('the peer id of the daemon', code)
  if (!Array.isArray(addresses) || addresses.length === 0 || addresses.length > maxAddresses) {
    refuse(`1 to ${maxAddresses} addresses`, code)
  }
  if (!addresses.every((address): address is string => typeof address === 'string' && isDialAddress(address))) {
    refuse('an address is /ip4, /ip6 or /dns with a host, then /udp/PORT/quic-v1 or /tcp/PORT', code)
  }
  if (invite === undefined) return { daemon, addresses }
  if (!(invite instanceof Uint8Array) || invite.length < minInviteBytes || invite.length > maxInviteBytes) {
    refuse(`an invite has ${minInviteBytes} to ${maxInviteBytes} bytes`, code)
  }
  return { daemon, addresses, invite }
}

function checksumOf(body: Uint8Array): Uint8Array {
  const digest = createHash('sha256').update('mooring ticket').update(body).digest()
  return new Uint8Array(digest.subarray(0, checksumBytes))
}

function refuse(detail: string, code: ErrorCode = 'ticket-invalid'): never {
  throw new MooringError(code, { detail })
}
