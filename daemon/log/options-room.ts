/**
 * How much blocks say of their content, in memory, for each peer that made them. Keeps: what is kept of every block for as
 * long as the daemon runs is bounded for each peer, blocks that are being made included.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { BlockMeta } from '../../protocol/index.ts'
import { limits } from '../../protocol/limits.ts'
import { checkOptions } from '../../protocol/schemas/index.ts'
import type { BlockRow } from '../storage/storage.ts'
import { fullRetryMs } from './quotas.ts'

export class OptionsRoom {
  readonly #chars = new Map<PeerId, number>()

  /** One block says something else, or is there from now on. Deleted ones stay: making and deleting is not free. */
  replace(owner: PeerId, before: BlockMeta | undefined, after: BlockMeta | undefined): void {
    this.#add(owner, sizeOf(after) - sizeOf(before))
  }

  /** What a block says may be changed so. @throws `invalid-input`, `quota-exceeded` */
  checkPatch({ owner, schema, meta }: Pick<BlockRow, 'owner' | 'schema' | 'meta'>, patch: BlockMeta): void {
    if (patch.options === undefined) return
    checkOptions(schema, patch.options, meta.options)
    this.check(owner, meta, patch)
  }

  /** @throws `quota-exceeded` for more than there is room for; what is less than before is always taken */
  check(owner: PeerId, before: BlockMeta | undefined, after: BlockMeta): void {
    const more = sizeOf(after) - sizeOf(before)
    if (more <= 0 || (this.#chars.get(owner) ?? 0) + more <= limits.maxOptionsCharsPerPeer) return
    const detail = `maxOptionsCharsPerPeer: the options of all blocks of ${owner}, deleted ones too`
    throw new MooringError('quota-exceeded', { detail, retryAfterMs: fullRetryMs })
  }

  #add(owner: PeerId, chars: number): void {
    if (chars !== 0) this.#chars.set(owner, (this.#chars.get(owner) ?? 0) + chars)
  }
}

const sizeOf = (meta: BlockMeta | undefined): number =>
  meta?.options === undefined ? 0 : JSON.stringify(meta.options).length
