/** Which blocks a replica is to be sent: its patterns, as far as its grant reaches at this moment. */
import { MooringError } from '../../protocol/errors.ts'
import { allows, type Grant, patternCovers } from '../../protocol/grants.ts'
import type { BlockAddress } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import type { BlockRow } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import { viewOf } from './cursor.ts'

export interface WatchListInit {
  readonly index: BlockIndex
  grants(): { readonly grants: readonly Grant[]; readonly grantVersion: number }
}

export class WatchList {
  readonly #init: WatchListInit
  readonly #patterns = new Set<string>()

  constructor(init: WatchListInit) {
    this.#init = init
  }

  /** False when the pattern is watched already. @throws `quota-exceeded` */
  add(pattern: string): boolean {
    if (this.#patterns.has(pattern)) return false
    if (this.#patterns.size >= limits.maxWatches) throw new MooringError('quota-exceeded', { detail: 'maxWatches' })
    this.#patterns.add(pattern)
    return true
  }

  /** False when the pattern was not watched. */
  delete(pattern: string): boolean {
    return this.#patterns.delete(pattern)
  }

  /** Stands for the patterns and the grant in a cursor. */
  view(): string {
    return viewOf(this.#patterns, this.#init.grants().grantVersion)
  }

  mayRead(address: BlockAddress): boolean {
    return allows(this.#init.grants().grants, { area: 'blocks', right: 'read', subject: address })
  }

  matches(address: BlockAddress): boolean {
    for (const pattern of this.#patterns) if (patternCovers(pattern, address)) return this.mayRead(address)
    return false
  }

  /** {@link matches} as of now, whatever comes to be watched or granted later. */
  matcher(): (address: BlockAddress) => boolean {
    const patterns = [...this.#patterns]
    const { grants } = this.#init.grants()
    return (address) => {
      for (const pattern of patterns) {
        if (patternCovers(pattern, address)) return allows(grants, { area: 'blocks', right: 'read', subject: address })
      }
      return false
    }
  }

  /** Live blocks of the patterns; one of two of them may come twice, and not each may be read. */
  *rows(): Generator<BlockRow, void, undefined> {
    for (const pattern of [...this.#patterns]) yield* this.#init.index.matching(pattern)
  }
}
