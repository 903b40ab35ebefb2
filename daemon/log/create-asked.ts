/** The block that a replica asks for. Keeps: who may neither read nor write an address does not learn what is at it. */
import { patched } from '../../protocol/block-meta.ts'
import { MooringError } from '../../protocol/errors.ts'
import { allows } from '../../protocol/grants.ts'
import { formatAddress } from '../../protocol/ids.ts'
import { schemaNamed } from '../../protocol/schemas/index.ts'
import type { DiallerFrame, Frame } from '../../protocol/sync/index.ts'
import type { BlockRow } from '../storage/storage.ts'
import type { ChangeLog } from './change-log.ts'
import type { ConversationInit } from './conversation-init.ts'

type CreateFrame = Frame<DiallerFrame, 'create'>

/** @throws `grant-missing`, `generation-lost`, `address-taken`, and what {@link ChangeLog.create} throws */
export async function createAsked(
  log: ChangeLog,
  init: Pick<ConversationInit, 'peer' | 'replica' | 'grants' | 'log'>,
  { scope, label, meta, generation: known, sealed, ...frame }: CreateFrame,
): Promise<BlockRow> {
  const { grants, grantVersion } = init.grants()
  const address = formatAddress(scope, label)
  const schema = schemaNamed(frame.schema)
  const may = (right: 'create' | 'read' | 'write' | 'append'): boolean =>
    allows(grants, { area: 'blocks', right, subject: address })
  const existing = log.index.at(address)
  const mayKnow = may('read') || may('write') || may('append')
  const isBroughtBack = known !== undefined && known > log.index.generationOf(address)
  if (mayKnow && isBroughtBack) {
    // It ends what is there, if something is: that is for who could empty it as well.
    const missing = !may('create') ? 'create' : existing !== undefined && !may('write') ? 'write' : undefined
    if (missing !== undefined) throw new MooringError('generation-lost', { detail: `blocks:${missing}:${address}` })
  }
  // Who may neither read nor write learns nothing: not even whether the block exists.
  if ((existing === undefined || !mayKnow) && !may('create')) {
    throw new MooringError('grant-missing', { detail: `blocks:create:${address}` })
  }
  // To create is not to read: what is there already stays unseen, but for the fact that it is there.
  if (existing !== undefined && !mayKnow) throw new MooringError('address-taken')
  const origin = { peer: init.peer, replica: init.replica }
  const said = patched({}, meta)
  const row = await log.create({ origin, grantVersion, scope, label, schema, known, sealed, meta: said })
  if (isBroughtBack) {
    const fields = { peer: init.peer, address, generation: row.generation, ended: existing?.generation }
    const level = existing === undefined ? 'info' : 'warn'
    init.log[level](fields, 'a block that the store had lost was brought back')
  }
  return row
}
