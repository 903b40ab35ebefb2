import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openIdentity, peerOf } from '../../../plugin-sdk/identity.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mooring-identity-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const random = (bytes: number): Uint8Array => randomBytes(bytes)
const open = (home: string, platform = 'linux') => openIdentity({ home, random, platform })

describe('openIdentity', () => {
  it('makes a key that only its owner can read, and finds it again', async () => {
    const home = join(folder, 'plugins', 'notes')
    const first = await open(home)
    expect((await stat(join(home, 'identity.key'))).mode & 0o777).toBe(0o600)
    expect((await stat(home)).mode & 0o777).toBe(0o700)
    expect(await open(home)).toEqual(first)
    expect(await readdir(home)).toEqual(['identity.key'])
  })

  it('gives processes that start at once the same key', async () => {
    const found = await Promise.all(Array.from({ length: 20 }, () => open(folder)))
    expect(new Set(found.map(({ peer }) => peer)).size).toBe(1)
    expect(await readdir(folder)).toEqual(['identity.key'])
    expect(new Uint8Array(await readFile(join(folder, 'identity.key')))).toEqual(found[0]?.seed)
  })

  it('refuses a key that others could have read, and says what to do', async () => {
    await open(folder)
    await chmod(join(folder, 'identity.key'), 0o640)
    await expect(open(folder)).rejects.toMatchObject({
      code: 'config-invalid',
      detail: expect.stringContaining('chmod 600'),
    })
    await expect(open(folder, 'win32')).resolves.toBeDefined()
  })

  it.each([0, 31, 33, 64])('refuses a key of %i bytes and leaves it alone', async (size) => {
    const path = join(folder, 'identity.key')
    await writeFile(path, new Uint8Array(size), { mode: 0o600 })
    await expect(open(folder)).rejects.toMatchObject({
      code: 'config-invalid',
      detail: expect.stringContaining(`${size} bytes`),
    })
    expect((await stat(path)).size).toBe(size)
  })

  it('refuses a home below a file', async () => {
    await writeFile(join(folder, 'file'), '')
    for (const home of ['file/home', 'file/far/home']) {
      await expect(open(join(folder, home))).rejects.toMatchObject({
        code: 'config-invalid',
        detail: expect.stringContaining('cannot be made (ENOTDIR)'),
      })
    }
  })

  it.runIf(process.platform === 'linux')('refuses a home where no folder can be made', async () => {
    for (const home of ['/proc/x', '/proc/x/y']) {
      await expect(open(home)).rejects.toMatchObject({
        code: 'config-invalid',
        detail: expect.stringContaining(home),
      })
    }
  })
})

describe('peerOf', () => {
  it('is the peer id that other libp2p programs compute', () => {
    // Made with @libp2p/peer-id from the same seeds.
    expect(peerOf(new Uint8Array(32).fill(7))).toBe('12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7')
    expect(peerOf(new Uint8Array(32).fill(8))).toBe('12D3KooWB8sCGZCrwr79HtabLAn95qyPQx6RYHXjEbiD6QKou7ww')
  })
})
