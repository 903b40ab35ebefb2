/**
 * Branded ids. A value of one of these types has been checked once, at the edge; from there on two kinds of id cannot
 * be mixed up. Addresses and labels are never paths: their alphabet has no separator that a file system knows.
 */
import { MooringError } from './errors.ts'
import { limits } from './limits.ts'

/** The mark exists for the compiler alone. A plain key, so that declaration files can name it. */
type Branded<Value, Name extends string> = Value & { readonly '~brand': Name }

/** libp2p peer id of an Ed25519 key, base58btc text, always `12D3KooW…` (52 characters). */
export type PeerId = Branded<string, 'PeerId'>
/** One local store of one installation for one daemon: 16 random bytes as 32 hex digits. */
export type ReplicaId = Branded<string, 'ReplicaId'>
/** One process: 16 random bytes as 32 hex digits. */
export type InstanceId = Branded<string, 'InstanceId'>
/** One welcomed connection: 16 random bytes as 32 hex digits, minted by the daemon. */
export type SessionId = Branded<string, 'SessionId'>
/** `space:<id>` or `agent:<id>`. */
export type Scope = Branded<string, 'Scope'>
/** Name of a block inside its scope. */
export type Label = Branded<string, 'Label'>
/** `<scope>/<label>`. */
export type BlockAddress = Branded<string, 'BlockAddress'>
/** Automerge change hash: SHA-256, 64 hex digits. */
export type ChangeHash = Branded<string, 'ChangeHash'>
/** An entry of the archive: UUID of version 7, minted by the daemon. */
export type ArchiveId = Branded<string, 'ArchiveId'>
/** Automerge actor id: lower-case hex. */
export type ActorId = Branded<string, 'ActorId'>

const peerIdForm = /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/
const hex16Form = /^[0-9a-f]{32}$/
const uuid7Form = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const hashForm = /^[0-9a-f]{64}$/
const nameForm = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/
const kinds = ['space', 'agent'] as const

export const isPeerId = (text: string): text is PeerId => peerIdForm.test(text)
export const isHexId = (text: string): boolean => hex16Form.test(text)
export const isArchiveId = (text: string): text is ArchiveId => uuid7Form.test(text)
export const isChangeHash = (text: string): text is ChangeHash => hashForm.test(text)

/** Lower-case ASCII letters, digits, `.`, `_`, `-`; begins and ends with a letter or digit; no `..`. */
export function isName(text: string, maxChars: number): boolean {
  return text.length > 0 && text.length <= maxChars && nameForm.test(text) && !text.includes('..')
}

export function isScope(text: string): text is Scope {
  const [kind, id, ...rest] = text.split(':')
  return (
    rest.length === 0 && kinds.some((known) => known === kind) && id !== undefined && isName(id, limits.maxScopeChars)
  )
}

export const isLabel = (text: string): text is Label => isName(text, limits.maxLabelChars)

/** @throws `invalid-input` when the text is not a peer id of an Ed25519 key. */
export function parsePeerId(text: string): PeerId {
  if (!isPeerId(text)) throw new MooringError('invalid-input', { detail: 'a peer id begins with 12D3KooW' })
  return text
}

/** @throws `invalid-input` with the rule that the text breaks. */
export function parseAddress(text: string): { scope: Scope; label: Label; address: BlockAddress } {
  const slash = text.indexOf('/')
  const scope = text.slice(0, Math.max(slash, 0))
  const label = text.slice(slash + 1)
  if (slash < 0 || !isScope(scope) || !isLabel(label)) {
    throw new MooringError('invalid-input', {
      detail: 'a block address is space:<id>/<label> or agent:<id>/<label>, lower-case letters, digits, "." "_" "-"',
    })
  }
  return { scope, label, address: text as BlockAddress }
}

export const formatAddress = (scope: Scope, label: Label): BlockAddress => `${scope}/${label}` as BlockAddress

/** The end of a peer id, shown next to the words because five words alone can be ground. */
export const shortPeerId = (peer: string): string => `…${peer.slice(-8)}`
