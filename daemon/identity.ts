/** The daemon's key: a file of 32 bytes that only its owner can read, made at the first start and never changed. */
import { randomBytes } from 'node:crypto'
import { chmod, link, open, readFile, rm, stat } from 'node:fs/promises'
import { MooringError } from '../protocol/index.ts'

export interface Identity {
  /** Ed25519 seed. */
  readonly seed: Uint8Array
  readonly isNew: boolean
}

/** @throws `config-invalid` when the file is readable by others or has not 32 bytes */
export async function loadIdentity(path: string): Promise<Identity> {
  const present = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (present !== undefined) {
    const { mode } = await stat(path)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new MooringError('config-invalid', { detail: `others can read ${path}; run: chmod 600 ${path}` })
    }
    if (present.byteLength !== 32)
      throw new MooringError('config-invalid', { detail: `${path} is not a key of 32 bytes` })
    return { seed: new Uint8Array(present), isNew: false }
  }
  const seed = new Uint8Array(randomBytes(32))
  // Written beside and linked into place: the name never stands for half a key, and an existing key is never replaced.
  const beside = `${path}.${randomBytes(4).toString('hex')}`
  const file = await open(beside, 'wx', 0o600)
  try {
    await file.writeFile(seed)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await chmod(beside, 0o600)
    await link(beside, path)
  } catch (error) {
    // Two first starts at once: the key that was there first is the key.
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return loadIdentity(path)
    throw error
  } finally {
    await rm(beside, { force: true })
  }
  return { seed, isNew: true }
}
