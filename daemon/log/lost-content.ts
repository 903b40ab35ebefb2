/**
 * What a replica holds of a generation that is over, and the log does not have. Keeps: before it is told of another generation
 * of the address it knows what of its own may be nowhere else.
 */
import type { ActorId } from '../../protocol/ids.ts'
import type { ListenerEffect, ListenerSession } from '../../protocol/sync/index.ts'
import type { BlockIndex } from './block-index.ts'
import type { HeldBlock } from './have-list.ts'
import type { LogReader } from './log-reader.ts'

export interface LostContentInit {
  readonly index: Pick<BlockIndex, 'at' | 'generation'>
  readonly reader: Pick<LogReader, 'clock'>
  readonly session: ListenerSession
  apply(effects: readonly ListenerEffect[]): void
}

export async function tellLost(init: LostContentInit, { address, clock, generation }: HeldBlock): Promise<void> {
  const { apply, index, reader, session } = init
  const row = index.generation(address, generation)
  if (row === undefined || clock === undefined) {
    apply(session.gone(address, 'unknown'))
    return
  }
  const held = await reader.clock(row.id, new Set([...clock.keys()] as ActorId[]))
  const reach = new Map<string, number>(held.map(({ actor, seq }) => [actor, seq]))
  const lacks = [...clock].flatMap(([actor, seq]) => {
    const has = reach.get(actor) ?? 0
    return seq > has ? [{ actor, seq: has }] : []
  })
  if (lacks.length > 0) apply(session.gone(address, 'unknown', { lacks }))
}
