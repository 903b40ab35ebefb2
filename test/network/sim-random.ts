/** Randomness of a simulated schedule: everything follows from the seed, and each part draws from a stream of its own. */
import { createHash } from 'node:crypto'

export class SimRandom {
  readonly #name: string
  readonly #state: Uint32Array

  constructor(name: string) {
    this.#name = name
    const digest = createHash('sha256').update(name).digest()
    this.#state = Uint32Array.from({ length: 4 }, (_, index) => digest.readUInt32LE(index * 4))
  }

  /** An independent stream: what one part draws does not move what another part draws. */
  fork(part: string): SimRandom {
    return new SimRandom(`${this.#name}/${part}`)
  }

  /** Uniform in [0, 1): the generator sfc32. */
  unit(): number {
    const state = this.#state
    const [a = 0, b = 0, c = 0, d = 0] = state
    const sum = (a + b + d) | 0
    state[0] = b ^ (b >>> 9)
    state[1] = (c + (c << 3)) | 0
    state[2] = (((c << 21) | (c >>> 11)) + sum) | 0
    state[3] = (d + 1) | 0
    return (sum >>> 0) / 2 ** 32
  }

  /** A whole number, both bounds included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.unit() * (max - min + 1))
  }

  chance(probability: number): boolean {
    return this.unit() < probability
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.int(0, items.length - 1)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let index = 0; index < length; index += 4) {
      const word = Math.floor(this.unit() * 2 ** 32)
      for (let byte = 0; byte < 4 && index + byte < length; byte++) bytes[index + byte] = word >>> (8 * byte)
    }
    return bytes
  }

  /** Mostly `usual`, now and then up to `worst`: how delays are distributed on real machines. */
  delay(usual: number, worst: number): number {
    return this.chance(0.9) ? this.unit() * usual : usual + this.unit() * (worst - usual)
  }
}
