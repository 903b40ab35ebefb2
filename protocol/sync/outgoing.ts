/**
 * Changes on their way to the daemon, cut into frames. Keeps true: no frame breaks a limit of the daemon, and none holds
 * more than can be taken or refused together.
 */
import type { ChangeHash } from '../ids.ts'
import { limits } from '../limits.ts'

/** A change of this replica on its way to the daemon. */
export interface OwnChange {
  readonly handle: number
  readonly actor: string
  readonly seq: number
  readonly hash: ChangeHash
  readonly deps: readonly ChangeHash[]
  readonly bytes: Uint8Array
  readonly ops: number
  /** Length of the change before compression. */
  readonly expandedBytes: number
  /** Sent because the daemon asked for it, whoever made it: what becomes of it decides nothing about the block here. */
  readonly isSupplied?: boolean
}

/** A frame's envelope and tips need some room beside the run. */
const maxRunBytes = limits.maxFrameBytes - 32 * 1024
/** Half of what is allowed: the receiver passes frames on, and acks come sooner. */
const maxRunChanges = limits.maxChangesPerFrame / 2
/** Each actor of a frame needs a tip, and a frame has no more. */
const maxRunActors = 64

/**
 * A frame is taken whole or not at all, so it holds nothing that waits for more than its first change does: two replicas
 * that build on each other's changes and send all of them again would otherwise wait for each other for ever.
 */
const continues = (last: OwnChange, next: OwnChange): boolean => next.deps.length === 1 && next.deps[0] === last.hash

/** The changes in frames that keep every limit, in their order. `isWhole`: all of them are taken or refused together. */
export function* splitByLimits<Change extends OwnChange>(
  changes: Iterable<Change>,
  isWhole = false,
): Generator<Change[]> {
  let part: Change[] = []
  let bytes = 1
  let expanded = 0
  let ops = 0
  const actors = new Set<string>()
  for (const change of changes) {
    const last = part.at(-1)
    const isFull =
      (!isWhole && last !== undefined && !continues(last, change)) ||
      (actors.size >= maxRunActors && !actors.has(change.actor)) ||
      part.length >= maxRunChanges ||
      bytes + change.bytes.byteLength > maxRunBytes ||
      expanded + change.expandedBytes > limits.maxExpandedBytes ||
      ops + change.ops > limits.maxOpsPerFrame
    if (isFull && part.length > 0) {
      yield part
      part = []
      bytes = 1
      expanded = 0
      ops = 0
      actors.clear()
    }
    part.push(change)
    actors.add(change.actor)
    bytes += change.bytes.byteLength
    expanded += change.expandedBytes
    ops += change.ops
  }
  if (part.length > 0) yield part
}
