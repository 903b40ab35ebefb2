/**
 * What a replica says when it opens, in as many frames as it takes: one that follows thousands of blocks names more than
 * one frame holds.
 */
import { MooringError } from '../errors.ts'
import type { ReplicaId } from '../ids.ts'
import type { DiallerFrame, Frame } from './frames.ts'
import { chooseRunEncoding, type RunEncoding, runEncodings } from './run.ts'

type OpenFrame = Frame<DiallerFrame, 'open'>
type MoreFrame = Frame<DiallerFrame, 'open-more'>

export interface OpenInit {
  readonly replica: ReplicaId
  readonly watch: readonly string[]
  readonly cursor?: Uint8Array
  readonly seen?: number
  readonly own: OpenFrame['own']
}

/** Watches in one frame, and as many changes with them: 200 and 400 bytes each at most, together less than a frame. */
const namedPerFrame = 400

export function splitOpen({ watch, own, ...init }: OpenInit): (OpenFrame | MoreFrame)[] {
  const parts = Math.max(1, Math.ceil(watch.length / namedPerFrame), Math.ceil(own.length / namedPerFrame))
  return Array.from({ length: parts }, (_, part) => {
    const from = part * namedPerFrame
    const named = { watch: watch.slice(from, from + namedPerFrame), own: own.slice(from, from + namedPerFrame) }
    if (part > 0) return { t: 'open-more', ...named, last: part === parts - 1 }
    const more = parts > 1 ? ({ more: true } as const) : {}
    return { t: 'open', accept: [...runEncodings], ...init, ...named, ...more }
  })
}

/** @throws `version-mismatch` */
export function agreedEncoding(accept: readonly string[]): RunEncoding {
  const encoding = chooseRunEncoding(accept)
  if (encoding === undefined) throw new MooringError('version-mismatch', { detail: 'no common encoding of runs' })
  return encoding
}
