/**
 * A disk that forgets: replays recorded calls, and makes the folder as a power cut may leave it. Keeps: what was synced is
 * there; of what was not, any writes are missing and any are torn at the sectors of a disk; names are kept in the order in
 * which they were made, up to some point.
 */
import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { SimRandom } from '../network/sim-random.ts'
import type { FileCall } from './syscall-trace.ts'

type Change = { readonly offset: number; readonly bytes: Buffer } | { readonly size: number }
type Naming = { readonly path: string; readonly file: StoredFile | undefined; readonly from?: string }

const sectorBytes = 512

/** Bytes of a file that grow without being copied each time. */
class Content {
  #bytes: Buffer
  #length: number

  constructor(bytes: Buffer = Buffer.alloc(0)) {
    this.#bytes = Buffer.from(bytes)
    this.#length = bytes.length
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  apply(change: Change): void {
    if ('size' in change) {
      this.#reserve(change.size)
      this.#bytes.fill(0, Math.min(this.#length, change.size))
      this.#length = change.size
      return
    }
    const { offset, bytes } = change
    this.#reserve(offset + bytes.length)
    this.#length = Math.max(this.#length, offset + bytes.length)
    bytes.copy(this.#bytes, offset)
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return
    const larger = Buffer.alloc(2 * size)
    this.#bytes.copy(larger)
    this.#bytes = larger
  }
}

class StoredFile {
  readonly #synced = new Content()
  pending: Change[] = []

  sync(): void {
    for (const change of this.pending) this.#synced.apply(change)
    this.pending = []
  }

  /** What may be found of it. */
  cut(random: SimRandom): Buffer {
    // Some cuts come when almost everything had reached the disk, and some before any of it had.
    const kept = random.pick([0, 0.25, 0.5, 0.75, 1])
    const found = new Content(this.#synced.bytes)
    for (const change of this.pending) {
      if (!random.chance(kept)) continue
      if ('size' in change || random.chance(0.7)) found.apply(change)
      else for (const sector of sectorsOf(change)) if (random.chance(0.5)) found.apply(sector)
    }
    return found.bytes
  }
}

function* sectorsOf({ offset, bytes }: { readonly offset: number; readonly bytes: Buffer }): Generator<Change> {
  for (let start = 0; start < bytes.length; ) {
    const end = Math.min(bytes.length, start + sectorBytes - ((offset + start) % sectorBytes))
    yield { offset: offset + start, bytes: bytes.subarray(start, end) }
    start = end
  }
}

export class DiskModel {
  readonly #folder: string
  readonly #now = new Map<string, StoredFile>()
  readonly #synced = new Map<string, StoredFile>()
  #namings: Naming[] = []

  constructor(folder: string) {
    this.#folder = folder
  }

  replay(call: FileCall): void {
    switch (call.kind) {
      case 'create':
        this.#file(call.path)
        break
      case 'write':
        this.#file(call.path).pending.push({ offset: call.offset, bytes: call.bytes })
        break
      case 'truncate':
        this.#file(call.path).pending.push({ size: call.size })
        break
      case 'sync':
        if (call.path === this.#folder) this.#syncFolder()
        else this.#file(call.path).sync()
        break
      case 'unlink':
        this.#now.delete(call.path)
        this.#namings.push({ path: call.path, file: undefined })
        break
      case 'rename': {
        const file = this.#file(call.path)
        this.#now.delete(call.path)
        this.#now.set(call.to, file)
        this.#namings.push({ path: call.to, file, from: call.path })
        break
      }
    }
  }

  /** Writes what is found after a power cut at this moment. */
  cutTo(folder: string, random: SimRandom): void {
    const names = new Map(this.#synced)
    const kept = random.pick([0, 0.5, 1]) * this.#namings.length
    for (const naming of this.#namings.slice(0, Math.round(kept))) rename(names, naming)
    for (const [path, file] of names) writeFileSync(join(folder, basename(path)), file.cut(random))
  }

  #file(path: string): StoredFile {
    const known = this.#now.get(path)
    if (known !== undefined) return known
    const file = new StoredFile()
    this.#now.set(path, file)
    this.#namings.push({ path, file })
    return file
  }

  #syncFolder(): void {
    for (const naming of this.#namings) rename(this.#synced, naming)
    this.#namings = []
  }
}

function rename(names: Map<string, StoredFile>, { path, file, from }: Naming): void {
  if (from !== undefined) names.delete(from)
  if (file === undefined) names.delete(path)
  else names.set(path, file)
}
