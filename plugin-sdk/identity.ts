/**
 * The key of a plugin: 32 bytes in one file that only its owner can read. Keeps true: two processes that start at once
 * in one folder get the same key, a key file is whole or absent, and a key that others could have read is not used.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { link, mkdir, open, stat, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { isPeerId, MooringError, type PeerId } from '../protocol/index.ts'

const seedBytes = 32
const fileName = 'identity.key'

export interface Identity {
  /** Ed25519 seed, 32 bytes. */
  readonly seed: Uint8Array
  readonly peer: PeerId
}

export interface IdentityInit {
  /** Folder of the plugin; made with mode 0700 when it is missing. */
  readonly home: string
  random(bytes: number): Uint8Array
  /** As `process.platform`: Windows has no permission bits to look at. */
  readonly platform: string
}

/**
 * Reads the key of a folder, or makes one.
 *
 * @throws `config-invalid` with the path and what to do, for a home that cannot be made and a key that cannot be used
 */
export async function openIdentity(init: IdentityInit): Promise<Identity> {
  await makeHome(resolve(init.home))
  const path = join(init.home, fileName)
  const seed = (await readSeed(path, init.platform)) ?? (await makeSeed(path, init))
  return { seed, peer: peerOf(seed) }
}

async function readSeed(path: string, platform: string): Promise<Uint8Array | undefined> {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new MooringError('config-invalid', {
      detail: `the key ${path} cannot be read (${codeOf(error)})`,
      cause: error,
    })
  }
  try {
    // Looked at through the open file: the path could be another file by now.
    const { mode, size } = await file.stat()
    if (platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new MooringError('config-invalid', {
        detail: `others can read the key ${path}; if nobody did, run chmod 600 ${path}, else delete it for a new one`,
      })
    }
    if (size !== seedBytes) {
      throw new MooringError('config-invalid', {
        detail: `the key ${path} has ${size} bytes instead of ${seedBytes}; restore it, or delete it for a new one`,
      })
    }
    const seed = new Uint8Array(seedBytes)
    await file.read(seed, 0, seedBytes, 0)
    return seed
  } finally {
    await file.close()
  }
}

async function makeSeed(path: string, init: IdentityInit): Promise<Uint8Array> {
  // A copy of its own: small buffers of Node share their memory with others.
  const seed = Uint8Array.from(init.random(seedBytes))
  const unfinished = `${path}.${Buffer.from(init.random(8)).toString('hex')}`
  const file = await open(unfinished, 'wx', 0o600)
  try {
    await file.writeFile(seed)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    // Unlike a rename, a link fails when the name exists: the process that was first keeps its key.
    await link(unfinished, path)
    return seed
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    const winner = await readSeed(path, init.platform)
    if (winner === undefined) throw new MooringError('wrong-state', { detail: `the key ${path} comes and goes` })
    return winner
  } finally {
    await unlink(unfinished)
  }
}

/** Folder by folder: where one cannot be made, as in /proc, Node tries for ever when it makes all of them in one call. */
async function makeHome(home: string): Promise<void> {
  const missing: string[] = []
  try {
    let at = home
    while ((await stat(at).catch(unlessAbsent)) === undefined && dirname(at) !== at) {
      missing.unshift(at)
      at = dirname(at)
    }
    for (const folder of missing) await mkdir(folder, { mode: 0o700 }).catch(unlessThere)
  } catch (error) {
    const detail = `the home ${home} of the plugin cannot be made (${codeOf(error)}); name another one with --home`
    throw new MooringError('config-invalid', { detail, cause: error })
  }
}

const unlessAbsent = (error: unknown): undefined => {
  if (codeOf(error) !== 'ENOENT') throw error
}

/** Another process made it. */
const unlessThere = (error: unknown): void => {
  if (codeOf(error) !== 'EEXIST') throw error
}

/** PKCS #8 of an Ed25519 key up to its seed. */
const privateKeyPrefix = Buffer.from('302e020100300506032b657004220420', 'hex')
/** Identity multihash of 36 bytes: protobuf of key type Ed25519 and 32 bytes of public key. */
const peerIdPrefix = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20]
const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** The public key of an Ed25519 seed, 32 bytes. */
export function publicKeyOf(seed: Uint8Array): Uint8Array {
  const der = Buffer.concat([privateKeyPrefix, seed])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  return Buffer.from(x, 'base64url')
}

/** The peer id of an Ed25519 seed. Pure, so that the id is known without a network library. */
export function peerOf(seed: Uint8Array): PeerId {
  const bytes = Buffer.from([...peerIdPrefix, ...publicKeyOf(seed)])
  let rest = BigInt(`0x${bytes.toString('hex')}`)
  let text = ''
  for (; rest > 0n; rest /= 58n) text = `${alphabet[Number(rest % 58n)]}${text}`
  // Leading zero bytes are not in the number; each is written as the first letter.
  const peer = `${'1'.repeat(bytes.findIndex((byte) => byte !== 0))}${text}`
  if (!isPeerId(peer)) throw new MooringError('internal', { detail: 'a key without a peer id' })
  return peer
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown'
}
