/** What can be asked about blocks, the same for plugins and the operator; who may ask is decided by the caller. */
import {
  type BlockAddress,
  type BlockMeta,
  type blockSummary,
  type ChangeHash,
  type Infer,
  MooringError,
  type Problem,
  type renderedBlock,
  wholeMeta,
} from '../../protocol/index.ts'
import type { ChangeLog } from '../log/change-log.ts'
import type { BlockId, BlockRow, Seq } from '../storage/storage.ts'

type Rendered = Infer<typeof renderedBlock>
type Summary = Infer<typeof blockSummary>

interface BlockText {
  readonly text: string
  readonly textHash: string
  readonly heads: readonly ChangeHash[]
  readonly problems: readonly Problem[]
}

export interface BlocksComponents {
  readonly log: Pick<ChangeLog, 'index' | 'published' | 'describe'>
  readonly views: {
    render(block: BlockRow, untilSeq: Seq): Promise<BlockText>
  }
  readonly verification: { verify(block: BlockId): Promise<unknown>; verifiedSeq(block: BlockId): Seq }
}

/** Characters of one page: with four bytes each they still fit a frame. */
const pageChars = 50_000
/** Bytes of descriptions in one page of a list: the rest of 200 rows is below 90 KiB, so the page fits a frame. */
const listBytes = 128 * 1024
/** Heads of one block that are shown: a block may have any number, and the page must fit a frame. */
const maxHeadsShown = 1_000

/** Who looks at the list. */
export interface ListReader {
  mayRead(address: BlockAddress): boolean
  /** Behind an address that may not be read, where the next one is that may; undefined: nowhere. */
  next(address: BlockAddress): string | undefined
}

const everyone: ListReader = { mayRead: () => true, next: () => undefined }

export class Blocks {
  readonly #components: BlocksComponents

  constructor(components: BlocksComponents) {
    this.#components = components
  }

  list(page: { after: string; limit: number }, reader: ListReader = everyone): { blocks: Summary[]; more: boolean } {
    const blocks: Summary[] = []
    let bytes = 0
    for (const row of this.#readable(page.after, reader)) {
      bytes += Buffer.byteLength(row.meta.description ?? '')
      if (blocks.length === page.limit || bytes > listBytes) return { blocks, more: true }
      blocks.push(summaryOf(row))
    }
    return { blocks, more: false }
  }

  /** In order behind an address; what cannot be read is passed over without being looked at one by one. */
  *#readable(after: string, reader: ListReader): Generator<BlockRow, void, undefined> {
    let place: string | undefined = `${after}\0`
    while (place !== undefined) {
      let next: string | undefined
      for (const row of this.#components.log.index.from(place)) {
        if (reader.mayRead(row.address)) yield row
        else {
          next = reader.next(row.address)
          break
        }
      }
      place = next
    }
  }

  /** @throws `block-not-found`, `view-failed` */
  async show(address: BlockAddress, offset: number): Promise<Rendered> {
    const row = this.find(address)
    const { log, views } = this.#components
    const { text, textHash, heads, problems } = await this.made(row, () => views.render(row, log.published))
    const { generation, schema, meta } = row
    return {
      address,
      generation,
      schema,
      heads: heads.slice(0, maxHeadsShown),
      textHash,
      text: pageOf(text, offset),
      totalChars: text.length,
      problems: [...problems],
      ...(meta.options === undefined ? {} : { options: meta.options }),
    }
  }

  /** A block that cannot be made may hold a change that nobody looked at yet: once that is set aside it can. */
  async made<Made>(row: BlockRow, make: () => Promise<Made>): Promise<Made> {
    const { verification } = this.#components
    const isVerified = verification.verifiedSeq(row.id) >= row.visibleSeq
    try {
      return await make()
    } catch (error) {
      if (isVerified || !(error instanceof MooringError && error.code === 'view-failed')) throw error
      await verification.verify(row.id)
      return make()
    }
  }

  /** What is then said of it. @throws what {@link ChangeLog.describe} throws */
  async describe(...[address, patch, by]: Parameters<ChangeLog['describe']>): Promise<BlockMeta> {
    const { meta } = await this.#components.log.describe(address, patch, by)
    return { ...meta }
  }

  /** @throws `block-not-found` */
  find(address: BlockAddress): BlockRow {
    const row = this.#components.log.index.at(address)
    if (row === undefined) throw new MooringError('block-not-found')
    return row
  }
}

/** Ends before a surrogate pair rather than inside it: half a character cannot be encoded. */
export function pageOf(text: string, offset: number): string {
  const end = offset + pageChars
  const isInsidePair = end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800
  return text.slice(offset, isInsidePair ? end - 1 : end)
}

const summaryOf = (row: BlockRow): Summary => ({
  address: row.address,
  generation: row.generation,
  schema: row.schema,
  ...said(row.meta),
  owner: row.owner,
  createdAtMs: row.createdAtMs,
  changes: row.changes,
  seq: row.visibleSeq,
})

function said(meta: BlockMeta): Pick<Summary, 'description' | 'kind' | 'pinned'> {
  const { description, kind, pinned } = wholeMeta(meta)
  return { description, kind, pinned }
}
