/**
 * Who wrote a change. Keeps two invariants: the owner of an actor id can be computed from the id alone, so nobody can
 * write under another's; and the last change of each actor carries its owner's signature, so that a change keeps its
 * author wherever it is relayed or restored from.
 */
import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto'
import { MooringError } from '../errors.ts'
import type { ActorId, BlockAddress, ChangeHash, PeerId } from '../ids.ts'

const prefixBytes = 16
const randomBytes = 8
const actorHexChars = 2 * (prefixBytes + randomBytes)
const actorForm = /^(?:[0-9a-f]{2})+$/

/**
 * Automerge puts this and a level (LEB128) before the actor when a change is made on an older version of the document,
 * once more for each time such an actor is itself used that way.
 */
const olderVersionForm = /^13b22309(?:[89a-f][0-9a-f]){0,4}[0-7][0-9a-f]/
/** An actor id has at most 64 bytes, which leaves room for this many prefixes of at least 5. */
const maxPrefixes = 8

/**
 * First 16 bytes of every actor id that `peer` uses towards `daemon`: another daemon sees other actors of it, so what
 * it wrote for one cannot be passed off as written for another.
 */
export function actorPrefix(daemon: PeerId, peer: PeerId): Uint8Array {
  // Peer ids have no NUL, so the parts cannot be shifted against each other.
  return hash('sha256', `mooring actor\0${daemon}\0${peer}`, 'buffer').subarray(0, prefixBytes)
}

/**
 * An actor id to be used by one process for one block only: fresh randomness is what makes a reuse after a crash, a
 * copy or a restored backup impossible.
 */
export function makeActor(prefix: Uint8Array, random8: Uint8Array): ActorId {
  if (prefix.length !== prefixBytes || random8.length !== randomBytes) {
    throw new MooringError('invalid-input', {
      detail: 'an actor id is made of a prefix of 16 bytes and 8 random bytes',
    })
  }
  return Buffer.concat([prefix, random8]).toString('hex') as ActorId
}

/** The actor without what Automerge put before it, or `undefined` when it is not an actor id of this project. */
export function plainActor(actor: string): ActorId | undefined {
  let rest = actor
  for (let n = 0; n <= maxPrefixes; n++) {
    if (rest.length === actorHexChars) return actorForm.test(rest) ? (rest as ActorId) : undefined
    const stripped = rest.replace(olderVersionForm, '')
    if (stripped.length === rest.length || stripped.length < actorHexChars) return undefined
    rest = stripped
  }
  return undefined
}

/** Whether `peer` may write under this actor on this daemon. */
export function ownsActor(daemon: PeerId, peer: PeerId, actor: string): boolean {
  return plainActor(actor)?.startsWith(prefixOf(daemon, peer)) === true
}

/** The last change of an actor in one generation of a block, as it is signed. */
export interface Tip {
  readonly address: BlockAddress
  readonly generation: number
  readonly actor: ActorId
  readonly seq: number
  readonly hash: ChangeHash
}

/** The bytes that are signed. Each field carries its length, so no two tips have the same bytes. */
export function tipMessage(tip: Tip): Uint8Array {
  const fields = ['mooring tip', tip.address, String(tip.generation), tip.actor, String(tip.seq), tip.hash]
  return Buffer.from(fields.map((field) => `${Buffer.byteLength(field)}:${field},`).join(''))
}

/** Ed25519 signature of 64 bytes. `privateKey` is the seed of 32 bytes; its array must not be changed afterwards. */
export function signTip(privateKey: Uint8Array, tip: Tip): Uint8Array {
  return sign(null, tipMessage(tip), privateKeyOf(privateKey))
}

/** Whether `peer` signed this tip. */
export function verifyTip(peer: PeerId, tip: Tip, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false
  const key = publicKeyOf(peer)
  return key !== undefined && verify(null, tipMessage(tip), key, signature)
}

/** DER of everything in a PKCS #8 Ed25519 private key but the seed, and of an SPKI public key but the key. */
const privateKeyHead = Buffer.from('302e020100300506032b657004220420', 'hex')
const publicKeyHead = Buffer.from('302a300506032b6570032100', 'hex')
/** Identity multihash of 36 bytes holding the protobuf `{ type: Ed25519, data: 32 bytes }`. */
const peerIdHead = Buffer.from('002408011220', 'hex')

/** Peers of one daemon are few; an attacker's may be many, so what is remembered of them is bounded. */
const maxCached = 1_024
const privateKeys = new WeakMap<Uint8Array, KeyObject>()
const publicKeys = new Map<PeerId, KeyObject>()
const prefixes = new Map<string, string>()

function privateKeyOf(seed: Uint8Array): KeyObject {
  if (seed.length !== 32) throw new MooringError('invalid-input', { detail: 'a private key is a seed of 32 bytes' })
  let key = privateKeys.get(seed)
  if (key === undefined) {
    key = createPrivateKey({ key: Buffer.concat([privateKeyHead, seed]), format: 'der', type: 'pkcs8' })
    privateKeys.set(seed, key)
  }
  return key
}

function publicKeyOf(peer: PeerId): KeyObject | undefined {
  const known = publicKeys.get(peer)
  if (known !== undefined) return known
  const raw = peerPublicKey(peer)
  if (raw === undefined) return undefined
  const key = createPublicKey({ key: Buffer.concat([publicKeyHead, raw]), format: 'der', type: 'spki' })
  remember(publicKeys, peer, key)
  return key
}

function prefixOf(daemon: PeerId, peer: PeerId): string {
  const pair = `${daemon}\0${peer}`
  const known = prefixes.get(pair)
  if (known !== undefined) return known
  const prefix = Buffer.from(actorPrefix(daemon, peer)).toString('hex')
  remember(prefixes, pair, prefix)
  return prefix
}

/** Maps keep the order of insertion: the oldest entry goes when the cache is full. */
function remember<Key, Value>(cache: Map<Key, Value>, key: Key, value: Value): void {
  if (cache.size >= maxCached) {
    for (const oldest of cache.keys()) {
      cache.delete(oldest)
      break
    }
  }
  cache.set(key, value)
}

const base58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** The Ed25519 public key inside a peer id (32 bytes), or `undefined` when there is none. */
export function peerPublicKey(peer: PeerId): Uint8Array | undefined {
  let number = 0n
  for (const char of peer) {
    const digit = base58.indexOf(char)
    if (digit < 0) return undefined
    number = number * 58n + BigInt(digit)
  }
  // The identity multihash begins with a zero byte, written as one leading "1".
  const length = peerIdHead.length + 32
  const digits = number.toString(16).padStart(2 * length, '0')
  if (digits.length !== 2 * length || !peer.startsWith('1') || peer.startsWith('11')) return undefined
  const bytes = Buffer.from(digits, 'hex')
  return bytes.subarray(0, peerIdHead.length).equals(peerIdHead) ? bytes.subarray(peerIdHead.length) : undefined
}
