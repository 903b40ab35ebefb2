/** Undo and redo of what a peer wrote in a block, for the peer itself and for the operator. */
import type { BlockAddress, Infer, PeerId, undoDepth, undoOutput } from '../../protocol/index.ts'
import { actorPrefix } from '../../protocol/sync/index.ts'
import type { ChangeLog } from '../log/change-log.ts'
import type { Edits, OnBehalf } from '../log/edits.ts'
import type { Reply } from '../views/view-steps.ts'
import type { Views } from '../views/views.ts'
import type { Blocks } from './blocks.ts'

export interface UndoComponents {
  readonly blocks: Blocks
  readonly edits: Pick<Edits, 'make' | 'own'>
  readonly log: Pick<ChangeLog, 'published'>
  readonly views: Pick<Views, 'ask'>
  readonly self: PeerId
}

export class Undo {
  readonly #components: UndoComponents

  constructor(components: UndoComponents) {
    this.#components = components
  }

  /** @throws `block-not-found`, `block-damaged`, `view-failed` */
  async depth(address: BlockAddress, peer: PeerId): Promise<Infer<typeof undoDepth>> {
    const { blocks, log, views } = this.#components
    const row = blocks.find(address)
    return blocks.made(row, () => views.ask(row, log.published, 'depth', this.#whose(peer)))
  }

  /**
   * Takes the newest step of a peer back, or brings back what was taken back last.
   *
   * @param by who wants it: the peer itself, or the operator
   * @throws `block-not-found`, `block-damaged`, `view-failed`, and what the log refuses a change with
   */
  async take(
    kind: 'undo' | 'redo',
    address: BlockAddress,
    peer: PeerId,
    by: OnBehalf = this.#components.edits.own,
  ): Promise<Infer<typeof undoOutput>> {
    const { blocks, edits, log, views } = this.#components
    let made: Reply<'undo'>
    const { change } = await edits.make(address, by, async (row, actor, timeS) => {
      const about = { kind, actor, timeS, ...this.#whose(peer) }
      made = await blocks.made(row, () => views.ask(row, log.published, 'undo', about))
      return made ?? { before: [], heads: [] }
    })
    if (made === undefined || 'refused' in made || change === undefined)
      return { isDone: false, ...(await this.depth(address, peer)) }
    return { isDone: true, change, of: made.of, undo: made.undo, redo: made.redo }
  }

  #whose(peer: PeerId): { readonly peer: PeerId; readonly owner: string; readonly daemon: string } {
    const { self } = this.#components
    const digitsOf = (each: PeerId): string => Buffer.from(actorPrefix(self, each)).toString('hex')
    return { peer, owner: digitsOf(peer), daemon: digitsOf(self) }
  }
}
