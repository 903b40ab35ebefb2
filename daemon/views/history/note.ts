/**
 * What the daemon writes into a change that it makes for a peer: whom it is for, what it takes back, and which of its
 * operations stand for older ones. Keeps: it is believed of changes of the daemon alone, whose signature covers it; so it is
 * still known when the change is no row any more.
 */
import { type ChangeHash, isChangeHash, isPeerId, type PeerId } from '../../../protocol/ids.ts'
import type { AliasRun } from './aliases.ts'

export interface Note {
  readonly peer: PeerId
  readonly kind: 'edit' | 'undo' | 'redo'
  /** The change that is taken back. */
  readonly of?: ChangeHash
  readonly aliases?: readonly AliasRun[]
}

/** A change that would need a longer one is not made. */
export const maxNoteChars = 16_384

/** `for PEER`, `for PEER undo CHANGE`, or that and `INDEX+LENGTH=COUNTER@ACTOR` for each run, with commas between them. */
export function writeNote({ peer, kind, of, aliases = [] }: Note): string {
  if (of === undefined) return `for ${peer}`
  const runs = aliases.map(({ index, length, root }) => `${index}+${length}=${root}`).join(',')
  return `for ${peer} ${kind} ${of}${runs === '' ? '' : ` ${runs}`}`
}

/** Undefined for a change that the daemon made for itself. */
export function readNote(message: string | null): Note | undefined {
  if (message === null || message.length > maxNoteChars) return undefined
  const [word, peer, kind, of, runs, ...rest] = message.split(' ')
  if (word !== 'for' || peer === undefined || !isPeerId(peer) || rest.length > 0) return undefined
  if (kind === undefined) return { peer, kind: 'edit' }
  if ((kind !== 'undo' && kind !== 'redo') || of === undefined || !isChangeHash(of)) return undefined
  const aliases = (runs ?? '').split(',').flatMap((run): AliasRun[] => {
    const parts = /^(\d{1,7})\+(\d{1,7})=(\d{1,16}@[0-9a-f]+)$/.exec(run)
    return parts === null ? [] : [{ index: Number(parts[1]), length: Number(parts[2]), root: parts[3] ?? '' }]
  })
  return { peer, kind, of, aliases }
}
