/** What can be asked about the history of a block, the same for plugins and the operator. */
import {
  type BlockAddress,
  type ChangeHash,
  type changeGroup,
  type historyPage,
  type Infer,
  MooringError,
  type PeerId,
} from '../../protocol/index.ts'
import type { ChangeLog } from '../log/change-log.ts'
import type { BlockRow, Storage } from '../storage/storage.ts'
import type { GroupFacts } from '../views/view-steps.ts'
import type { Views } from '../views/views.ts'
import type { Blocks } from './blocks.ts'

type Group = Infer<typeof changeGroup>

export interface HistoryComponents {
  readonly blocks: Blocks
  readonly log: Pick<ChangeLog, 'published' | 'authors'>
  readonly views: Pick<Views, 'ask'>
  readonly storage: Pick<Storage, 'firstAfter'>
  readonly self: PeerId
  readonly approvals: { grantOf(peer: PeerId): { readonly name: string } | undefined }
}

/** Bytes of one page: heads are most of it. */
const pageBytes = 160 * 1024
/** The year 9999: beyond it no date can be shown. */
const maxTimeS = 253_402_300_799

export class History {
  readonly #components: HistoryComponents

  constructor(components: HistoryComponents) {
    this.#components = components
  }

  /** @throws `block-not-found`, `no-such-change`, `block-damaged`, `view-failed` */
  async groups(
    address: BlockAddress,
    query: { readonly before: ChangeHash | undefined; readonly limit: number },
  ): Promise<Infer<typeof historyPage>> {
    const { blocks, log, views } = this.#components
    const row = blocks.find(address)
    const page = await blocks.made(row, () => views.ask(row, log.published, 'history', query))
    if (page === undefined) throw new MooringError('no-such-change')
    const isFolded = await this.#foldedIn(row)
    const groups: Group[] = []
    let bytes = 0
    for (const facts of page.groups) {
      const group = this.#describe(facts, isFolded)
      bytes += JSON.stringify(group).length
      if (groups.length > 0 && bytes > pageBytes) return { groups, more: true }
      groups.push(group)
    }
    return { groups, more: page.more }
  }

  #describe(facts: GroupFacts, isFolded: (facts: GroupFacts) => boolean): Group {
    const { approvals, log, self } = this.#components
    const { changes, ops, bytes, first, last, heads, summary, spans, fromS, untilS } = facts
    const peer = spans[0] === undefined ? undefined : log.authors.of(spans[0].actor)
    return {
      ...(peer === undefined ? {} : { peer }),
      name: peer === undefined ? '' : (approvals.grantOf(peer)?.name ?? ''),
      isVouched: peer === self,
      ...(isTime(fromS) && isTime(untilS) ? { fromMs: fromS * 1_000, untilMs: untilS * 1_000 } : {}),
      ...{ changes, ops, bytes, first, last, summary },
      heads: [...heads],
      isFolded: isFolded(facts),
    }
  }

  /** Rows that went are those before the first one that an actor has behind the horizon, or all, if it has none. */
  async #foldedIn({ id, horizonSeq }: BlockRow): Promise<(facts: GroupFacts) => boolean> {
    if (horizonSeq === 0) return () => false
    const rows = await this.#components.storage.firstAfter(id, horizonSeq)
    const first = new Map(rows.map(({ actor, actorSeq }) => [actor, actorSeq]))
    return ({ spans }) => spans.some(({ actor, from }) => from < (first.get(actor) ?? Number.POSITIVE_INFINITY))
  }
}

/** No time at all is zero. */
const isTime = (seconds: number): boolean => Number.isInteger(seconds) && seconds > 0 && seconds <= maxTimeS
