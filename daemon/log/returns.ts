/**
 * Takes changes into a block again that waited for lost ones. Keeps: each is looked at as if it had come now, and becomes the
 * newest row of the log, so that whoever reads on from any position gets it.
 */
import { admitChange, type ChangeFacts, readChange } from '../../protocol/sync/index.ts'
import type { BlockId, ReturnEntry, Seq, Storage, WaitingRow } from '../storage/storage.ts'
import type { Committer } from './committer.ts'
import { contentOf, costOf, type Ledger } from './ledger.ts'
import type { Ledgers } from './ledgers.ts'
import type { Missing } from './missing.ts'

export interface ReturnsInit {
  readonly storage: Pick<Storage, 'readWaiting' | 'endWaiting'>
  readonly committer: Pick<Committer, 'submit'>
  readonly ledgers: Pick<Ledgers, 'get' | 'grown' | 'discard'>
  readonly missing: Pick<Missing, 'endWaiting'>
  /** Who the daemon's own entries come from. */
  own(): Pick<ReturnEntry, 'origin' | 'grantVersion'>
}

type Returning = ReturnEntry['changes'][number]

/** Looked at in one turn: a few milliseconds. */
const maxBytes = 64 * 1024

/** All that can return of a block. @throws what the store throws; `block-damaged` */
export async function returnWaiting(init: ReturnsInit, block: BlockId): Promise<void> {
  for (let after: Seq | undefined = 0; after !== undefined; ) {
    const { rows, next } = await init.storage.readWaiting({ block, after, maxBytes })
    await returnSome(init, block, rows)
    after = next
  }
}

async function returnSome(init: ReturnsInit, block: BlockId, rows: readonly WaitingRow[]): Promise<void> {
  const { committer, ledgers, missing, own, storage } = init
  const ledger = await usable(ledgers, block)
  const { changes, known } = admit(ledger, rows)
  if (changes.length > 0) {
    const hashes = changes.map(({ hash }) => hash)
    ledger.sent(hashes, 'the daemon')
    ledgers.grown(ledger)
    try {
      const [outcome] = await committer.submit([{ kind: 'return', ...own(), block, changes }])
      if (outcome?.kind !== 'stored') ledgers.discard(ledger)
    } catch (error) {
      ledgers.discard(ledger)
      throw error
    } finally {
      ledger.answered(hashes)
    }
  }
  if (known.length === 0) return
  await storage.endWaiting(block, known)
  missing.endWaiting(block, known)
}

async function usable(ledgers: ReturnsInit['ledgers'], block: BlockId): Promise<Ledger> {
  for (;;) {
    const ledger = await ledgers.get(block)
    if (!ledger.isStale) return ledger
  }
}

/** Those that can be taken by now, and those that the log has by now: a replica brought them, or their number is used. */
function admit(ledger: Ledger, rows: readonly WaitingRow[]): { changes: Returning[]; known: Seq[] } {
  const changes: Returning[] = []
  const known: Seq[] = []
  for (const row of rows) {
    const facts = readChange(row.bytes)
    const admission = attempt(ledger, facts)
    if (admission === undefined) continue
    if (admission.outcome === 'stale') {
      known.push(row.seq)
      continue
    }
    const content = contentOf(facts.expanded.byteLength)
    ledger.apply(facts, { ...admission, content })
    const objects = admission.objects.map(({ opId, type, depth }) => ({ id: opId, type, depth }))
    const { seq, hash, actor, actorSeq, maxOp, signature } = row
    const { gap } = admission
    const { deps } = facts
    const ops = costOf(facts)
    changes.push({ seq, hash, actor, actorSeq, maxOp, ops, content, gap, deps, objects, signature })
  }
  ledger.keep()
  return { changes, known }
}

/** Undefined while something that it builds on is missing. */
function attempt(ledger: Ledger, facts: ChangeFacts): ReturnType<typeof admitChange> | undefined {
  try {
    return admitChange(facts, ledger)
  } catch {
    return undefined
  }
}
