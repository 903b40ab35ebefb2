/** Ids of entries: UUIDs of version 7, which begin with the time. Keeps: each is greater than the one before it. */
import type { ArchiveId, Clock } from '../../protocol/index.ts'

/** Ids of one millisecond: the twelve bits behind the version. */
const maxCount = 0xfff

export class ArchiveIds {
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #random: (bytes: number) => Uint8Array
  #lastMs = 0
  #count = 0

  constructor(clock: Pick<Clock, 'nowMs'>, random: (bytes: number) => Uint8Array) {
    this.#clock = clock
    this.#random = random
  }

  /** Also when the clock stands still or was set back: it is then that of the id before. */
  next(): { readonly id: ArchiveId; readonly atMs: number } {
    const nowMs = Math.max(0, Math.floor(this.#clock.nowMs()))
    if (nowMs > this.#lastMs) {
      this.#lastMs = nowMs
      this.#count = 0
    } else if (this.#count < maxCount) this.#count += 1
    else {
      this.#lastMs += 1
      this.#count = 0
    }
    const time = this.#lastMs.toString(16).padStart(12, '0')
    const bytes = Buffer.from(this.#random(8))
    // The variant of RFC 9562 in the two highest bits.
    bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x80, 0)
    const random = bytes.toString('hex')
    const count = `7${this.#count.toString(16).padStart(3, '0')}`
    const id = `${time.slice(0, 8)}-${time.slice(8)}-${count}-${random.slice(0, 4)}-${random.slice(4)}`
    return { id: id as ArchiveId, atMs: this.#lastMs }
  }
}
