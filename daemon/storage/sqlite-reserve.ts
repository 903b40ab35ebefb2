/**
 * Disk space that is held back so that a decision of the operator can be written when the disk is full: a revocation
 * must not wait for somebody to tidy up. Keeps: the file is whole or absent, and holds real bytes.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** Enough for hundreds of decisions with the pages that they touch. */
export const reserveBytes = 1024 * 1024

export class Reserve {
  readonly #path: string

  constructor(dir: string) {
    this.#path = join(dir, 'reserve')
  }

  get exists(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false })?.size === reserveBytes
  }

  /** Makes the file unless it is there. @returns whether it is there now */
  fill(): boolean {
    if (this.exists) return true
    const partial = `${this.#path}.partial`
    try {
      const fd = openSync(partial, 'w', 0o600)
      try {
        // Random, because a file system that compresses or leaves holes would hold back nothing for zeroes.
        writeSync(fd, randomBytes(reserveBytes))
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
      if (statSync(partial).size !== reserveBytes) throw new Error('short write')
      renameSync(partial, this.#path)
      return true
    } catch {
      // No space for it now: that is the very state the reserve is for, and no reason to stop.
      rmSync(partial, { force: true })
      return false
    }
  }

  /** Gives the space back. @returns whether there was any */
  free(): boolean {
    const { exists } = this
    rmSync(this.#path, { force: true })
    return exists
  }
}
