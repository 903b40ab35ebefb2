/**
 * A change as it is stored, once its block has taken it. Keeps: what a later version of a schema adds is in the log before the
 * first change that builds on it, whoever brings that, and is written by nobody.
 */
import type { ReplicaId } from '../../protocol/ids.ts'
import { type FrozenChange, isSchemaName, schemaNamed } from '../../protocol/schemas/index.ts'
import { type Admission, admitChange, type NewObject, readChange } from '../../protocol/sync/index.ts'
import type { ChangeEntry, Origin } from '../storage/storage.ts'
import type { Facts } from './frame-reading.ts'
import { contentOf, costOf, type Ledger } from './ledger.ts'

/** What the daemon does by itself comes from no replica. */
export const ownReplica = '0'.repeat(32) as ReplicaId

type Taken = Extract<Admission, { readonly outcome: 'admitted' }>

export function changeEntry(fact: Facts, { gap, objects }: Pick<Taken, 'gap' | 'objects'>, bytes: Uint8Array) {
  const { hash, actor, seq, maxOp, deps, content } = fact
  const made = { hash, actor, actorSeq: seq, maxOp, ops: costOf(fact), gap, content, deps }
  return { kind: 'change' as const, ...made, objects: objects.map(objectRow), bytes }
}

const objectRow = ({ opId, type, depth }: NewObject) => ({ id: opId, type, depth })

/** Which of the upgrades of its schema the changes build on and the block does not have, and those before them. */
export function upgradesFor(
  schema: string | undefined,
  facts: readonly Pick<Facts, 'deps'>[],
  ledger: Pick<Ledger, 'maxOpOf'>,
): readonly FrozenChange[] {
  const upgrades = schema !== undefined && isSchemaName(schema) ? schemaNamed(schema).upgrades : []
  if (upgrades.length === 0) return upgrades
  const named = new Set(facts.flatMap(({ deps }) => deps))
  const last = upgrades.findLastIndex(({ hash }) => named.has(hash))
  return upgrades.slice(0, last + 1).filter(({ hash }) => ledger.maxOpOf(hash) === undefined)
}

/** Takes an upgrade into the ledger. */
export function upgradeEntry({ bytes }: FrozenChange, ledger: Ledger, block: number, origin: Origin): ChangeEntry {
  const { expanded, ...facts } = readChange(bytes)
  const fact = { ...facts, content: contentOf(expanded.byteLength) }
  const admission = admitChange(fact, ledger)
  const taken = admission.outcome === 'stale' ? { gap: 0, objects: [] } : admission
  ledger.apply(fact, { ...taken, content: fact.content })
  return { ...changeEntry(fact, taken, bytes), origin, grantVersion: 0, block }
}
