/**
 * Every code that may cross a wire or end a command, in one table. The table drives the wire form, the texts, the
 * retry rule and the exit code, so that a code exists once and means the same on both ends.
 */

import { limits } from './limits.ts'

/** What kind of failure a code is; an unknown code from a newer peer falls back to its category. */
export type Category =
  | 'invalid'
  | 'denied'
  | 'missing'
  | 'conflict'
  | 'limit'
  | 'unavailable'
  | 'timeout'
  | 'pending'
  | 'internal'

interface ErrorRow {
  readonly category: Category
  /** What the reader on this side is told. */
  readonly local: string
  /** What the other side is told; never a cause, never a path. */
  readonly remote: string
  /** What to do next: a command, or a change to make. */
  readonly next: string
  /** Whether the same request may succeed later without being changed. */
  readonly retryable: boolean
  /** Exit code of a command that ends with it. */
  readonly exit: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 124 | 130
}

export const errorTable = {
  'frame-too-large': {
    category: 'invalid',
    local: 'The other side sent a frame above the limit; the stream was ended.',
    remote: 'The frame is above the limit of this stream.',
    next: 'Send larger values in pieces; the limits are listed in protocol/README.md.',
    retryable: false,
    exit: 1,
  },
  malformed: {
    category: 'invalid',
    local: 'The other side sent bytes that are not a valid frame.',
    remote: 'The bytes are not a valid frame.',
    next: 'Check the encoding against protocol/README.md (canonical CBOR, varint length).',
    retryable: false,
    exit: 1,
  },
  'unknown-frame': {
    category: 'invalid',
    local: 'The other side sent a frame type that this protocol does not have.',
    remote: 'This protocol has no such frame type in this direction.',
    next: 'Compare the protocol versions of both sides (moor version).',
    retryable: false,
    exit: 1,
  },
  'unknown-op': {
    category: 'invalid',
    local: 'The operation does not exist in this protocol version.',
    remote: 'There is no such operation.',
    next: 'Compare the protocol versions of both sides (moor version).',
    retryable: false,
    exit: 1,
  },
  'invalid-input': {
    category: 'invalid',
    local: 'A value does not have the required shape.',
    remote: 'A value does not have the required shape.',
    next: 'Correct the named field; its schema is in protocol/README.md.',
    retryable: false,
    exit: 2,
  },
  'version-mismatch': {
    category: 'invalid',
    local: 'The two sides share no protocol version.',
    remote: 'None of the offered protocol versions is spoken here.',
    next: 'Upgrade the older side; moor version shows what the daemon speaks.',
    retryable: false,
    exit: 1,
  },
  'hello-required': {
    category: 'denied',
    local: 'A stream was used before hello was answered.',
    remote: 'Say hello on this connection first.',
    next: 'Open the host protocol and call hello before anything else.',
    retryable: false,
    exit: 7,
  },
  'approval-pending': {
    category: 'pending',
    local: 'The plugin waits for the operator.',
    remote: 'Your request waits for the operator of the daemon.',
    next: 'moor requests, then moor approve CODE',
    retryable: true,
    exit: 8,
  },
  'approval-denied': {
    category: 'denied',
    local: 'The operator denied the request.',
    remote: 'The operator denied your request.',
    next: `Ask the operator. The plugin may ask again after ${limits.deniedRetryMs / 60_000} minute; an invite lets it in before (moor invite).`,
    retryable: false,
    exit: 7,
  },
  'request-expired': {
    category: 'denied',
    local: 'The request was not decided in time.',
    remote: 'Your request was not decided in time.',
    next: 'Start the plugin again; it makes a new request with a new code.',
    retryable: true,
    exit: 7,
  },
  'request-superseded': {
    category: 'conflict',
    local: 'A newer request of the same key replaced this one.',
    remote: 'A newer request of your key replaced this one.',
    next: 'moor requests shows the newer code.',
    retryable: true,
    exit: 6,
  },
  revoked: {
    category: 'denied',
    local: 'The key was revoked.',
    remote: 'The operator revoked your key.',
    next: 'Ask the operator for an invite: moor invite --grant …',
    retryable: false,
    exit: 7,
  },
  'grant-missing': {
    category: 'denied',
    local: 'The plugin has no grant for this.',
    remote: 'You have no grant for this.',
    next: 'Ask for it in the manifest and have the new request approved; if the operator gave less than was asked, an invite with the grant adds it (moor invite).',
    retryable: false,
    exit: 7,
  },
  'grant-changed': {
    category: 'denied',
    local: 'The grant changed between the check and the commit; nothing was stored.',
    remote: 'Your grant changed while this was on its way; nothing was stored.',
    next: 'Reconnect and look at the grant in welcome.',
    retryable: true,
    exit: 7,
  },
  'grant-not-requested': {
    category: 'denied',
    local: 'The operator tried to grant more than the request asked for.',
    remote: 'The request did not ask for that grant.',
    next: 'moor approve CODE --grant with a subset of what moor requests shows.',
    retryable: false,
    exit: 2,
  },
  'approval-needed': {
    category: 'denied',
    local: 'This needs a yes from a person.',
    remote: 'This needs a yes from a person.',
    next: 'Run it again with --yes after looking at what it shows.',
    retryable: false,
    exit: 4,
  },
  'key-mismatch': {
    category: 'denied',
    local: 'The key at that address is not the expected one; nothing was sent.',
    remote: 'The key is not the expected one.',
    next: 'Compare the words with the daemon (moor status); ask for a fresh ticket (moor invite).',
    retryable: false,
    exit: 7,
  },
  'digest-mismatch': {
    category: 'conflict',
    local: 'The request is not the one that was shown.',
    remote: 'The request is not the one that was shown.',
    next: 'moor requests, look again, then approve the new code.',
    retryable: false,
    exit: 6,
  },
  'request-not-found': {
    category: 'missing',
    local: 'There is no such request.',
    remote: 'There is no such request.',
    next: 'moor requests lists the open ones.',
    retryable: false,
    exit: 5,
  },
  'request-decided': {
    category: 'conflict',
    local: 'The request was decided before.',
    remote: 'The request was decided before.',
    next: 'moor peers shows what holds now.',
    retryable: false,
    exit: 6,
  },
  'peer-not-found': {
    category: 'missing',
    local: 'No plugin has that name or key.',
    remote: 'No plugin has that name or key.',
    next: 'moor peers lists the known ones.',
    retryable: false,
    exit: 5,
  },
  'name-taken': {
    category: 'conflict',
    local: 'Another approved plugin has that name.',
    remote: 'Another plugin has that name.',
    next: 'moor approve CODE --name OTHER',
    retryable: false,
    exit: 6,
  },
  'invite-invalid': {
    category: 'denied',
    local: 'The invite is unknown, used by another key, or expired.',
    remote: 'The invite is not valid.',
    next: 'Ask the operator for a new one: moor invite --grant …',
    retryable: false,
    exit: 7,
  },
  'ticket-invalid': {
    category: 'invalid',
    local: 'The ticket is damaged or is not a ticket.',
    remote: 'The ticket is not valid.',
    next: 'Copy the whole line that starts with moor1 again; moor invite makes a new one.',
    retryable: false,
    exit: 2,
  },
  'lobby-full': {
    category: 'limit',
    local: 'Too many unapproved connections; the oldest was let go.',
    remote: 'Too many unapproved plugins are waiting.',
    next: 'Try again after the given time.',
    retryable: true,
    exit: 8,
  },
  'replica-in-use': {
    category: 'conflict',
    local: 'Another process uses the same replica.',
    remote: 'Another process uses this replica id.',
    next: 'End the other process, or give this one a home of its own (--home). After a reconnect it mends itself; nothing is lost.',
    retryable: true,
    exit: 6,
  },
  'replica-limit': {
    category: 'limit',
    local: 'The key has too many replicas.',
    remote: 'Your key has too many replicas.',
    next: 'Stop an unused process of this plugin, or revoke and approve it again.',
    retryable: true,
    exit: 6,
  },
  superseded: {
    category: 'conflict',
    local: 'A newer connection of the same process took over.',
    remote: 'A newer connection of yours took over.',
    next: 'Nothing to do: the newer connection is the live one.',
    retryable: true,
    exit: 6,
  },
  'heartbeat-lost': {
    category: 'unavailable',
    local: 'The other side was silent for too long.',
    remote: 'You were silent for too long.',
    next: 'The plugin reconnects by itself; if it repeats, look for a blocked event loop.',
    retryable: true,
    exit: 1,
  },
  'block-not-found': {
    category: 'missing',
    local: 'There is no such block.',
    remote: 'There is no such block, or it may not be known to you.',
    next: 'moor blocks lists the blocks.',
    retryable: false,
    exit: 5,
  },
  'block-deleted': {
    category: 'conflict',
    local: 'The block was deleted or replaced; the edit belongs to a dead generation.',
    remote: 'This generation of the block is gone.',
    next: 'Open the address again to work on the present generation.',
    retryable: false,
    exit: 6,
  },
  'generation-lost': {
    category: 'conflict',
    local: 'The daemon lost this generation of the block and did not take it back; what was here is kept aside.',
    remote: 'This generation of the block is not known here and cannot be brought back with what was shown for it.',
    next: 'Read what was kept aside in the refused changes of the block, and write anew what is needed of it.',
    retryable: false,
    exit: 6,
  },
  'address-taken': {
    category: 'conflict',
    local: 'A block with that address and another schema exists.',
    remote: 'A block with that address and another schema exists.',
    next: 'Use the schema that the block has, or another label.',
    retryable: false,
    exit: 6,
  },
  'unknown-schema': {
    category: 'invalid',
    local: 'There is no such block schema.',
    remote: 'There is no such block schema.',
    next: 'protocol/README.md lists the schemas.',
    retryable: false,
    exit: 2,
  },
  'unknown-handle': {
    category: 'invalid',
    local: 'The other side used a handle that was never given out.',
    remote: 'That handle is not open on this stream.',
    next: 'Wait for the block frame that introduces a handle.',
    retryable: false,
    exit: 1,
  },
  'bad-change': {
    category: 'invalid',
    local: 'A change breaks the structural rules; it was not stored.',
    remote: 'The change breaks the structural rules.',
    next: 'Make changes with the SDK; the detail names the rule.',
    retryable: false,
    exit: 1,
  },
  'change-too-large': {
    category: 'limit',
    local: 'A change, or a frame of changes, is above a limit.',
    remote: 'The change is above a limit.',
    next: 'Make smaller changes; the detail names the limit.',
    retryable: false,
    exit: 1,
  },
  'actor-not-owned': {
    category: 'denied',
    local: 'A change names an actor that its sender does not own.',
    remote: 'The change names an actor that is not yours.',
    next: 'Make changes with the SDK, which derives the actor from the key.',
    retryable: false,
    exit: 7,
  },
  'bad-signature': {
    category: 'denied',
    local: 'A tip signature does not verify.',
    remote: 'The tip signature does not verify.',
    next: 'Sign (block, generation, actor, seq, hash) of the last change of each actor.',
    retryable: false,
    exit: 7,
  },
  'author-refused': {
    category: 'denied',
    local: 'The author of a supplied change may not write to the block.',
    remote: 'The author of what you supply may not write to this block.',
    next: 'Nothing to do if the author was revoked or narrowed on purpose; else give it the grant again (moor invite).',
    retryable: false,
    exit: 7,
  },
  quarantined: {
    category: 'conflict',
    local: 'The change is set aside, or builds on one that is.',
    remote: 'The change is set aside, or builds on one that is; the block goes on without it.',
    next: 'moor quarantine list; moor quarantine release takes a change back in.',
    retryable: false,
    exit: 6,
  },
  'query-invalid': {
    category: 'invalid',
    local: 'What is looked for cannot be understood.',
    remote: 'What is looked for cannot be understood.',
    next: 'Use words and "phrases", with a minus in front of what must not be there; at least one must be there.',
    retryable: false,
    exit: 2,
  },
  'query-too-broad': {
    category: 'limit',
    local: 'Too many texts have what is looked for.',
    remote: 'Too many texts have what is looked for.',
    next: 'Add a word, or name a scope.',
    retryable: false,
    exit: 2,
  },
  'index-behind': {
    category: 'unavailable',
    local: 'The search index does not have yet what was written.',
    remote: 'The search index does not have yet what you have written.',
    next: 'Try again in a second; moor reindex makes the index anew.',
    retryable: true,
    exit: 8,
  },
  'bad-edit': {
    category: 'invalid',
    local: 'A step of the edit does not fit the block; nothing was changed.',
    remote: 'A step of the edit does not fit the block; nothing was changed.',
    next: 'Look at the block (moor block show) and at the step that is named.',
    retryable: false,
    exit: 2,
  },
  'heads-differ': {
    category: 'conflict',
    local: 'The block is not in the state that the edit was made for; nothing was changed.',
    remote: 'The block is not in the state that the edit was made for; nothing was changed.',
    next: 'Read the block again and make the edit for what it is now.',
    retryable: false,
    exit: 6,
  },
  'archive-not-found': {
    category: 'missing',
    local: 'There is no such entry in the archive.',
    remote: 'There is no such entry in the archive, or you may not read it.',
    next: 'moor archive list shows what there is.',
    retryable: false,
    exit: 5,
  },
  'no-text': {
    category: 'missing',
    local: 'There is no text at that place of the block.',
    remote: 'There is no text at that place of the block.',
    next: 'moor block show shows what is in it; --path names the keys that lead to a text.',
    retryable: false,
    exit: 5,
  },
  'no-such-change': {
    category: 'missing',
    local: 'The block has no such change, or not any more.',
    remote: 'The block has no such change.',
    next: 'moor block history shows its changes; a block that was made anew begins a new history.',
    retryable: false,
    exit: 5,
  },
  'change-not-found': {
    category: 'missing',
    local: 'There is no such change in quarantine.',
    remote: 'There is no such change in quarantine.',
    next: 'moor quarantine list shows their hashes.',
    retryable: false,
    exit: 5,
  },
  suspended: {
    category: 'denied',
    local: 'The plugin may not write: a change of its was set aside.',
    remote: 'You may not write: a change of yours was set aside. Nothing you keep is lost.',
    next: 'moor quarantine list shows the change; moor release NAME lets the plugin write again.',
    retryable: true,
    exit: 7,
  },
  'missing-deps': {
    category: 'conflict',
    local: 'A change depends on changes that are not known.',
    remote: 'The change depends on changes that are not known here.',
    next: 'Send the named changes first.',
    retryable: true,
    exit: 6,
  },
  equivocation: {
    category: 'conflict',
    local: 'An actor made two different changes with one sequence number.',
    remote: 'Another change of this actor has that sequence number.',
    next: 'Make a fresh actor; never reuse an actor after a copy or a restore.',
    retryable: false,
    exit: 6,
  },
  'rate-limited': {
    category: 'limit',
    local: 'The peer is above its rate.',
    remote: 'You are above your rate.',
    next: 'Slow down and try again after the given time.',
    retryable: true,
    exit: 1,
  },
  'quota-exceeded': {
    category: 'limit',
    local: 'A quota is used up.',
    remote: 'A quota is used up.',
    next: 'The detail names the quota and what makes room: moor compact, moor block reset-history, or a key of [quota] in the config file.',
    retryable: true,
    exit: 1,
  },
  'too-many-calls': {
    category: 'limit',
    local: 'Too many calls are open on one stream.',
    remote: 'Too many calls are open on this stream.',
    next: 'Wait for answers before calling again.',
    retryable: true,
    exit: 1,
  },
  lagging: {
    category: 'limit',
    local: 'The reader of a stream fell too far behind; the stream was ended.',
    remote: 'You read too slowly; the stream was ended.',
    next: 'Open it again and continue from there.',
    retryable: true,
    exit: 1,
  },
  'storage-full': {
    category: 'limit',
    local: 'The disk is full: nothing was stored, nothing was acknowledged.',
    remote: 'The daemon cannot store this now.',
    next: 'Free space in the state directory (moor paths).',
    retryable: true,
    exit: 1,
  },
  'storage-failed': {
    category: 'unavailable',
    local: 'The database failed; the daemon stops so that it recovers cleanly.',
    remote: 'The daemon cannot store this now.',
    next: 'moor logs, then moor up; restore a backup if it repeats.',
    retryable: true,
    exit: 1,
  },
  'database-corrupt': {
    category: 'internal',
    local: 'The database is damaged; it was not opened and not changed.',
    remote: 'The daemon cannot start.',
    next: 'Keep the file, restore a snapshot from the state directory (moor paths), then moor up.',
    retryable: false,
    exit: 1,
  },
  'block-damaged': {
    category: 'unavailable',
    local:
      'A part of the block is damaged on the disk; what is left of it is kept, and replicas are asked for the rest.',
    remote: 'A part of the block is damaged at the daemon, which asks replicas for it.',
    next: 'moor status says what is missing; connect a plugin that holds the block.',
    retryable: true,
    exit: 1,
  },
  'database-newer': {
    category: 'conflict',
    local: 'The database was written by a newer version; it was not changed.',
    remote: 'The daemon cannot start.',
    next: 'Start the newer version again, or restore a snapshot made before the upgrade (moor paths).',
    retryable: false,
    exit: 6,
  },
  'state-in-use': {
    category: 'conflict',
    local: 'Another daemon uses this state directory.',
    remote: 'Another daemon uses this state directory.',
    next: 'moor status shows it; moor down stops it; MOORING_HOME chooses another place.',
    retryable: false,
    exit: 6,
  },
  'address-in-use': {
    category: 'conflict',
    local: 'The port is taken by another program.',
    remote: 'The daemon cannot listen.',
    next: 'Choose another port with listen.port in the config file or MOORING_LISTEN_PORT.',
    retryable: false,
    exit: 6,
  },
  'config-invalid': {
    category: 'invalid',
    local: 'The configuration has a value that cannot be used.',
    remote: 'The daemon cannot start.',
    next: 'Put right what the detail names: a file (moor paths shows where), or a variable of the environment.',
    retryable: false,
    exit: 2,
  },
  'daemon-unreachable': {
    category: 'unavailable',
    local: 'No daemon answers.',
    remote: 'No daemon answers.',
    next: 'moor up',
    retryable: true,
    exit: 3,
  },
  'daemon-stopping': {
    category: 'unavailable',
    local: 'The daemon is stopping.',
    remote: 'The daemon is stopping.',
    next: 'Reconnect in a moment; the SDK does so by itself.',
    retryable: true,
    exit: 3,
  },
  'control-denied': {
    category: 'denied',
    local: 'The control socket refused the token.',
    remote: 'The token is not valid.',
    next: 'Run the command as the user who started the daemon; moor paths shows the token file.',
    retryable: false,
    exit: 7,
  },
  'connection-lost': {
    category: 'unavailable',
    local: 'The connection ended before the answer.',
    remote: 'The connection ended before the answer.',
    next: 'It may or may not have happened: look before you repeat it.',
    retryable: true,
    exit: 3,
  },
  'view-failed': {
    category: 'unavailable',
    local: 'The view of the block could not be made; the block itself is safe.',
    remote: 'The view of the block cannot be made now.',
    next: 'moor logs names the reason; the log of the block is untouched.',
    retryable: true,
    exit: 1,
  },
  'wrong-state': {
    category: 'conflict',
    local: 'That is not possible in the present state.',
    remote: 'That is not possible in the present state.',
    next: 'The detail says what stands in the way; moor status and moor peers show the present state.',
    retryable: false,
    exit: 6,
  },
  timeout: {
    category: 'timeout',
    local: 'The deadline passed.',
    remote: 'The deadline passed.',
    next: 'It may or may not have happened: look before you repeat it, or give --timeout.',
    retryable: true,
    exit: 124,
  },
  cancelled: {
    category: 'timeout',
    local: 'It was cancelled.',
    remote: 'It was cancelled.',
    next: 'Nothing to do.',
    retryable: true,
    exit: 130,
  },
  usage: {
    category: 'invalid',
    local: 'The command line is not right.',
    remote: 'The command line is not right.',
    next: 'moor help',
    retryable: false,
    exit: 2,
  },
  internal: {
    category: 'internal',
    local: 'Something broke that should not.',
    remote: 'Something broke here; the daemon wrote the cause to its log.',
    next: 'moor logs --level error, then report it with the correlation id.',
    retryable: false,
    exit: 1,
  },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof errorTable

/** All codes, for schemas and loops. */
export const errorCodes = Object.keys(errorTable) as ErrorCode[]

export const isErrorCode = (value: unknown): value is ErrorCode =>
  typeof value === 'string' && Object.hasOwn(errorTable, value)

export interface MooringErrorOptions {
  /** What exactly was wrong: names the field, rule or limit. Safe to send to the other side. */
  readonly detail?: string
  /** When a retry makes sense, in milliseconds from now. */
  readonly retryAfterMs?: number
  /** Stays on this side: never sent. */
  readonly cause?: unknown
}

/** The one error of this project. Its text for the reader on this side is `message`; `toWire` makes the other one. */
export class MooringError extends Error {
  override readonly name = 'MooringError'
  readonly code: ErrorCode
  readonly detail: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, options: MooringErrorOptions = {}) {
    const row = errorTable[code]
    super(options.detail === undefined ? row.local : `${row.local} (${options.detail})`, { cause: options.cause })
    this.code = code
    this.detail = options.detail
    this.retryAfterMs = options.retryAfterMs
  }

  get category(): Category {
    return errorTable[this.code].category
  }

  get retryable(): boolean {
    return errorTable[this.code].retryable
  }
}

/** An error as it crosses the wire. `category` lets an older reader make sense of a code it does not know. */
export interface WireError {
  code: string
  category: Category
  message: string
  detail?: string | undefined
  retryAfterMs?: number | undefined
}

/** Error to wire: a code, the text for the other side and the detail; never the cause. Unknown failures are `internal`. */
export function toWireError(error: unknown): WireError {
  const known = error instanceof MooringError ? error : new MooringError('internal')
  const row = errorTable[known.code]
  return {
    code: known.code,
    category: row.category,
    message: row.remote,
    // Cut to what a frame takes, and never to half a character: such an answer could not be encoded.
    ...(known.detail === undefined ? {} : { detail: known.detail.slice(0, limits.maxDetailChars).toWellFormed() }),
    // A difference of two readings of a clock has fractions; the wire takes whole milliseconds, and early is useless.
    ...(known.retryAfterMs === undefined ? {} : { retryAfterMs: Math.max(0, Math.ceil(known.retryAfterMs)) }),
  }
}

const byCategory: Record<Category, ErrorCode> = {
  invalid: 'malformed',
  denied: 'grant-missing',
  missing: 'block-not-found',
  conflict: 'wrong-state',
  limit: 'quota-exceeded',
  unavailable: 'connection-lost',
  timeout: 'timeout',
  pending: 'approval-pending',
  internal: 'internal',
}

/** Wire to error. A code this version does not know becomes its category's; the raw code stays in the detail. */
export function fromWireError(wire: WireError): MooringError {
  const options = {
    ...(wire.detail === undefined ? {} : { detail: wire.detail }),
    ...(wire.retryAfterMs === undefined ? {} : { retryAfterMs: wire.retryAfterMs }),
  }
  if (isErrorCode(wire.code)) return new MooringError(wire.code, options)
  const detail = wire.detail === undefined ? wire.code : `${wire.code}: ${wire.detail}`
  return new MooringError(byCategory[wire.category] ?? 'internal', { ...options, detail })
}

/** Any thrown value as an `Error`: libraries reject with strings and plain objects too. */
export function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value))
}
