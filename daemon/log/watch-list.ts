/**
 * Which blocks a replica is to be sent: its patterns, as far as its grant reaches at this moment. Keeps: a block is found
 * among thousands of watched addresses without looking at each of them.
 */
import { MooringError } from '../../protocol/errors.ts'
import { allows, type Grant, isPattern } from '../../protocol/grants.ts'
import type { BlockAddress } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import type { BlockRow } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import { viewOf } from './cursor.ts'
import { type Holding, holdingCosts } from './holdings.ts'

export interface WatchListInit {
  readonly index: BlockIndex
  readonly holding: Holding
  grants(): { readonly grants: readonly Grant[]; readonly grantVersion: number }
}

export class WatchList {
  readonly #init: WatchListInit
  /** Addresses of single blocks. */
  readonly #blocks = new Set<string>()
  /** Patterns with a star. */
  readonly #patterns = new Set<string>()
  /** Watched since the index was last looked at. */
  readonly #new = new Set<string>()
  #isAllDue = false
  #view: { readonly grantVersion: number; readonly text: string } | undefined

  constructor(init: WatchListInit) {
    this.#init = init
  }

  /** False when the pattern is watched already. @throws `quota-exceeded` */
  add(pattern: string): boolean {
    const isBlock = !pattern.includes('*')
    const set = isBlock ? this.#blocks : this.#patterns
    if (set.has(pattern)) return false
    const limit = isBlock ? 'maxWatchedBlocks' : 'maxWatches'
    if (set.size >= limits[limit]) throw new MooringError('quota-exceeded', { detail: limit })
    this.#init.holding.add(holdingCosts.watch + pattern.length)
    set.add(pattern)
    this.#new.add(pattern)
    this.#view = undefined
    return true
  }

  /** False when the pattern was not watched. */
  delete(pattern: string): boolean {
    if (!this.#blocks.delete(pattern) && !this.#patterns.delete(pattern)) return false
    this.#init.holding.free(holdingCosts.watch + pattern.length)
    this.#new.delete(pattern)
    this.#view = undefined
    return true
  }

  /** Stands for the patterns and the grant in a cursor. */
  view(): string {
    const { grantVersion } = this.#init.grants()
    if (this.#view?.grantVersion !== grantVersion) {
      this.#view = { grantVersion, text: viewOf([...this.#blocks, ...this.#patterns], grantVersion) }
    }
    return this.#view.text
  }

  mayRead(address: BlockAddress): boolean {
    return allows(this.#init.grants().grants, { area: 'blocks', right: 'read', subject: address })
  }

  matches(address: BlockAddress): boolean {
    return covers(this.#blocks, this.#patterns, address) && this.mayRead(address)
  }

  /** Whether an address that is watched may be written and not read: its block is known then, and not followed. */
  isWrittenOnly(address: BlockAddress): boolean {
    if (!covers(this.#blocks, this.#patterns, address) || this.mayRead(address)) return false
    const { grants } = this.#init.grants()
    return (['write', 'append'] as const).some((right) => allows(grants, { area: 'blocks', right, subject: address }))
  }

  /** {@link matches} as of now, whatever comes to be watched or granted later. */
  matcher(): (address: BlockAddress) => boolean {
    const blocks = new Set(this.#blocks)
    const patterns = new Set(this.#patterns)
    const { grants } = this.#init.grants()
    return (address) =>
      covers(blocks, patterns, address) && allows(grants, { area: 'blocks', right: 'read', subject: address })
  }

  /** Whether there may be blocks in the index that were not matched before. */
  get isDue(): boolean {
    return this.#isAllDue || this.#new.size > 0
  }

  /** The grant has become wider: everything has to be looked at again. */
  setDue(): void {
    this.#isAllDue = true
  }

  /** Live blocks that have to be looked at: of all patterns if need be, else of those that came since the last call. Can be gone through twice. */
  dueRows(): Iterable<BlockRow> {
    const isAll = this.#isAllDue
    const patterns = [...this.#new]
    this.#isAllDue = false
    this.#new.clear()
    return { [Symbol.iterator]: () => (isAll ? this.rows() : this.#rowsOf(patterns)) }
  }

  /** Live blocks of the patterns; one of two of them may come twice, and not each may be read. */
  rows(): Generator<BlockRow, void, undefined> {
    return this.#rowsOf([...this.#blocks, ...this.#patterns])
  }

  *#rowsOf(patterns: readonly string[]): Generator<BlockRow, void, undefined> {
    for (const pattern of patterns) yield* this.#init.index.matching(pattern)
  }
}

/** An address, its scope and the kind of that are all that a pattern can stand for: none of hundreds is compared with it. */
function covers(blocks: ReadonlySet<string>, patterns: ReadonlySet<string>, address: BlockAddress): boolean {
  if (blocks.has(address) || patterns.size === 0) return blocks.has(address)
  const scope = address.slice(0, address.indexOf('/'))
  return patterns.has(`${scope}/*`) || patterns.has(`${scope.slice(0, scope.indexOf(':'))}:*/*`)
}

/** @throws `invalid-input` */
export function checkPattern(pattern: string): void {
  if (!isPattern(pattern, 'block')) {
    throw new MooringError('invalid-input', { detail: 'a watch is space:<id>/<label>, space:<id>/* or space:*/*' })
  }
}
