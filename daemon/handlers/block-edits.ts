/** Edits of blocks by operation, the same for plugins and the operator; who may edit is decided by the caller. */
import {
  type BlockAddress,
  checkMeta,
  type createInput,
  type createOutput,
  type EditStep,
  type editInput,
  type editOutput,
  type Infer,
  MooringError,
  parseAddress,
  patched,
  type SchemaOptions,
  schemaNamed,
} from '../../protocol/index.ts'
import type { ChangeLog } from '../log/change-log.ts'
import type { Edits, OnBehalf } from '../log/edits.ts'
import type { BlockRow } from '../storage/storage.ts'
import type { Views } from '../views/views.ts'
import type { Blocks } from './blocks.ts'

export interface BlockEditsComponents {
  readonly blocks: Blocks
  readonly edits: Edits
  readonly log: Pick<ChangeLog, 'create' | 'index' | 'published' | 'spend'>
  readonly views: Pick<Views, 'ask'>
}

/** What the making of a block counts for, in operations: a row, and a frame to every watcher. */
const opsPerCreate = 500

export class BlockEdits {
  readonly #components: BlockEditsComponents

  constructor(components: BlockEditsComponents) {
    this.#components = components
  }

  /**
   * @param mayKnow what is at the address already: who may only create learns no more than that something is
   * @throws `address-taken`, `quota-exceeded`, `suspended`, `rate-limited`, and what the store refuses
   */
  async create(
    { address, schema, meta }: Infer<typeof createInput>,
    by: OnBehalf = this.#components.edits.own,
    mayKnow = true,
  ): Promise<Infer<typeof createOutput>> {
    const { log } = this.#components
    const { scope, label } = parseAddress(address)
    const said = patched({}, checkMeta(schema, meta ?? {}))
    const existing = log.index.at(address)
    if (existing !== undefined && !mayKnow) throw new MooringError('address-taken')
    log.spend(by.origin.peer, opsPerCreate)
    const row = await log.create({ ...by, scope, label, schema: schemaNamed(schema), meta: said })
    return { address, generation: row.generation, isNew: existing === undefined }
  }

  /**
   * @param isAdmin may also change what is read-only
   * @throws `block-not-found`, `bad-edit`, `heads-differ`, `change-too-large`, `grant-missing`, and what the log refuses
   */
  async edit(
    { address, steps, heads }: Infer<typeof editInput>,
    by: OnBehalf = this.#components.edits.own,
    isAdmin = true,
  ): Promise<Infer<typeof editOutput>> {
    const { blocks, edits, log, views } = this.#components
    const edited = await edits.make(address, by, (row, actor, timeS) => {
      if (!isAdmin) checkLocked(row, address, steps)
      return blocks.made(row, () =>
        views.ask(row, log.published, 'edit', { actor, timeS, writtenFor: by.origin.peer, steps, heads }),
      )
    })
    const { change, row } = edited
    return {
      address,
      generation: row.generation,
      heads: [...edited.heads],
      ...(change === undefined ? {} : { change }),
    }
  }
}

function checkLocked({ schema, meta }: BlockRow, address: BlockAddress, steps: readonly EditStep[]): void {
  const locked = lockedPaths(schema, meta.options)
  if (locked.length === 0) return
  for (const [index, { path }] of steps.entries()) {
    // Below it, at it, or around it: what holds it would take it along.
    const isLocked = locked.some((each) => each.every((key, at) => at >= path.length || key === String(path[at])))
    if (!isLocked) continue
    throw new MooringError('grant-missing', { detail: `step ${index + 1} is read-only: blocks:admin:${address}` })
  }
}

/** What the block says that only who administers it changes. */
function lockedPaths(schema: string, { fields = [], sections = [] }: SchemaOptions = {}): string[][] {
  const own = schema === 'map' ? fields.filter(({ readOnly }) => readOnly).map(({ name }) => ['map', name]) : []
  const inSections = sections.flatMap(({ schema: name, options, readOnly }, place) => {
    const at = ['sections', String(place)]
    return readOnly ? [at] : lockedPaths(name, options).map((path) => [...at, ...path])
  })
  return [...own, ...inSections]
}
