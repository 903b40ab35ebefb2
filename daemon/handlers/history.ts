/** What can be asked about the history of a block, the same for plugins and the operator. */
import {
  type ActorId,
  type BlockAddress,
  type blamePage,
  type blockDiff,
  type blockState,
  type ChangeHash,
  type changeGroup,
  type historyPage,
  type Infer,
  MooringError,
  type PeerId,
} from '../../protocol/index.ts'
import type { ChangeLog } from '../log/change-log.ts'
import type { BlockRow, Storage } from '../storage/storage.ts'
import type { About, GroupFacts, Question, Reply } from '../views/view-steps.ts'
import type { Views } from '../views/views.ts'
import { type Blocks, pageOf } from './blocks.ts'

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
    const row = this.#components.blocks.find(address)
    const page = found(await this.#ask(row, 'history', query))
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

  /** @throws `block-not-found`, `no-such-change`, `block-damaged`, `view-failed` */
  async at(
    address: BlockAddress,
    { heads, offset }: { readonly heads: readonly ChangeHash[]; readonly offset: number },
  ): Promise<Infer<typeof blockState>> {
    const row = this.#components.blocks.find(address)
    const { schema, meta, generation } = row
    const { text, textHash } = found(await this.#ask(row, 'at', { schema, options: meta.options, heads }))
    return { address, generation, textHash, text: pageOf(text, offset), totalChars: text.length }
  }

  /** @throws as {@link at} */
  async diff(address: BlockAddress, about: About<'diff'>): Promise<Infer<typeof blockDiff>> {
    const { patches, more } = found(await this.#ask(this.#components.blocks.find(address), 'diff', about))
    return { patches: [...patches], more }
  }

  /** @throws `block-not-found`, `no-text`, `block-damaged`, `view-failed` */
  async blame(address: BlockAddress, about: About<'blame'>): Promise<Infer<typeof blamePage>> {
    const page = await this.#ask(this.#components.blocks.find(address), 'blame', about)
    if (page === undefined) throw new MooringError('no-text')
    const { next, totalChars } = page
    const spans = page.spans.map(({ text, actor, writtenFor, change, timeS }) => ({
      text,
      ...this.#author(actor, writtenFor),
      ...(isTime(timeS) ? { atMs: timeS * 1_000 } : {}),
      ...(change === undefined ? {} : { change }),
    }))
    return { spans, next, totalChars }
  }

  #ask<Name extends Question>(row: BlockRow, step: Name, about: About<Name>): Promise<Reply<Name>> {
    const { blocks, log, views } = this.#components
    return blocks.made(row, () => views.ask(row, log.published, step, about))
  }

  /** What the daemon wrote is the peer's whom it says that it wrote it for. */
  #author(actor: ActorId | undefined, writtenFor?: PeerId): Pick<Group, 'peer' | 'name' | 'isVouched'> {
    const { approvals, log, self } = this.#components
    const writer = actor === undefined ? undefined : log.authors.of(actor)
    if (writer === undefined) return { name: '', isVouched: false }
    const whom = writer === self ? writtenFor : undefined
    const peer = whom ?? writer
    return { peer, name: approvals.grantOf(peer)?.name ?? '', isVouched: whom !== undefined && whom !== self }
  }

  #describe(facts: GroupFacts, isFolded: (facts: GroupFacts) => boolean): Group {
    const { changes, ops, bytes, writtenFor, first, last, heads, summary, spans, fromS, untilS } = facts
    return {
      ...this.#author(spans[0]?.actor, writtenFor),
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
const isTime = (seconds: number | undefined): seconds is number =>
  seconds !== undefined && Number.isInteger(seconds) && seconds > 0 && seconds <= maxTimeS

function found<Answer>(answer: Answer | undefined): Answer {
  if (answer === undefined) throw new MooringError('no-such-change')
  return answer
}
