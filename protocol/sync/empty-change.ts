/**
 * Encodes a change without operations, which only joins what stands side by side. Keeps: byte for byte what Automerge
 * writes for the same, so that no engine has to be asked for it.
 */
import { hash as digest } from 'node:crypto'
import type { ActorId, ChangeHash } from '../ids.ts'
import { limits } from '../limits.ts'
import { chunkMagic, chunkType } from './change-structure.ts'
import { checksumAt, typeAt } from './run-parts.ts'
import { ByteWriter } from './run-writer.ts'

export interface EmptyChange {
  readonly actor: ActorId
  readonly seq: number
  /** Above every operation counter of the changes that it builds on. */
  readonly startOp: number
  /** Seconds. */
  readonly time: number
  readonly deps: readonly ChangeHash[]
}

export function encodeEmptyChange({ actor, seq, startOp, time, deps }: EmptyChange): Uint8Array {
  const body = new ByteWriter(64 + 33 * deps.length, limits.maxChangeBytes)
  body.unsigned(deps.length)
  for (const dep of deps.toSorted()) body.copy(Buffer.from(dep, 'hex'))
  const actorBytes = Buffer.from(actor, 'hex')
  body.unsigned(actorBytes.length)
  body.copy(actorBytes)
  body.unsigned(seq)
  body.unsigned(startOp)
  body.signed(time)
  // No message, no other actors, no columns.
  for (let n = 0; n < 3; n++) body.unsigned(0)
  const content = body.finish()
  const chunk = new ByteWriter(64 + 33 * deps.length, limits.maxChangeBytes)
  chunk.copy(chunkMagic)
  chunk.copy(new Uint8Array(typeAt - checksumAt))
  chunk.byte(chunkType.change)
  chunk.unsigned(content.length)
  chunk.copy(content)
  const bytes = chunk.finish()
  bytes.set(digest('sha256', bytes.subarray(typeAt), 'buffer').subarray(0, typeAt - checksumAt), checksumAt)
  return bytes
}
