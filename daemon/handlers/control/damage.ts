/** What is damaged on the disk, in words for the operator, each with what to do about it. */
import type { StatusCard } from '../../../protocol/index.ts'
import type { BlockDamage } from '../../log/repair.ts'
import type { PeerRow } from '../../storage/storage.ts'
import type { ControlComponents } from './context.ts'

type Damage = StatusCard['damages'][number]

/** Rows that belong to no block, by table. */
const byTable: Readonly<Record<string, Damage>> = {
  request: { what: 'a request for approval', next: 'the plugin asks again by itself' },
  invite: { what: 'an invite', next: 'moor invite makes another' },
  quarantine: { what: 'what was set aside', next: 'moor quarantine list, and compare it with the log (moor logs)' },
  waiting: { what: 'a change that waits for lost ones', next: 'start a plugin that holds its block (moor logs)' },
  archive: { what: 'an entry of the archive', next: 'moor logs names it; moor archive delete removes it' },
  suspension: { what: 'who may not write', next: 'moor status names them; moor revoke keeps one out' },
}

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

const withoutRest =
  'start a plugin that holds the block, which is asked for the rest; moor block reset-history does without'

function blockDamage({ address, block, lost, waiting, isOpen }: BlockDamage): Damage {
  const name = address ?? `block ${block}`
  if (isOpen) {
    const next = address === undefined ? 'restore a copy of the database (moor paths)' : 'moor logs --level error'
    return { what: `${name}: what is left of it could not be read yet`, next }
  }
  const parts = [
    ...(lost === 0 ? [] : [`${plural(lost, 'change is', 'changes are')} lost`]),
    ...(waiting === 0 ? [] : [`${plural(waiting, 'waits', 'wait')} for what is lost`]),
  ]
  return { what: `${name}: ${parts.join(', ')}`, next: withoutRest }
}

const peerDamage = ({ name, state }: PeerRow): Damage => ({
  what: `what was decided about ${name}: it is not let in`,
  next: state === 'denied' ? 'start the plugin, then moor requests' : 'nothing, or moor invite to let it in again',
})

export function damages({ approvals, repair }: Pick<ControlComponents, 'approvals' | 'repair'>): Damage[] {
  const others = repair.others.filter(({ table }) => table !== 'peer')
  return [
    ...approvals
      .peers()
      .filter(({ isDamaged }) => isDamaged)
      .map(peerDamage),
    ...repair.blocks.map(blockDamage),
    ...others.map(
      ({ table }) => byTable[table] ?? { what: `a row of ${table}`, next: 'nothing: the daemon does without it' },
    ),
  ]
}
