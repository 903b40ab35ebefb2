/**
 * Door `mooring/plugin-sdk/memory`: replicated blocks. The only part of the SDK that loads Automerge; the SDK loads it
 * when the first block is opened.
 */
import { asError, type PeerId, type SchemaName } from '../../protocol/index.ts'
import type { BlockHandle } from './handle.ts'
import { Replica } from './replica.ts'
import type { MemoryConnection, ReplicaInit } from './replica-init.ts'

export { Counter, deleteAt, insertAt, splice, updateText } from '@automerge/automerge'
export { type BlockEvents, BlockHandle, type BlockState, type RefusedChanges } from './handle.ts'

export interface Memory {
  open<Name extends SchemaName>(address: string, schema: Name): BlockHandle<Name>
  /** A new connection was welcomed. */
  onConnection(connection: MemoryConnection): void
  /** Resolves when nothing is unsettled. */
  beforeStop(): Promise<void>
  stop(): Promise<void>
}

export interface MemoryInit extends ReplicaInit {
  /** Actor ids are made for one daemon. */
  readonly daemon: PeerId
}

export function createMemory(init: MemoryInit): Memory {
  const replica = new Replica(init, init.daemon)
  let newest: MemoryConnection | undefined
  return {
    open: (address, schema) => replica.open(address, schema),
    onConnection: (connection) => {
      newest = connection
      void keepConversing(replica, connection, { ...init, isNewest: () => newest === connection })
    },
    beforeStop: () => replica.flushed(),
    stop: () => replica.stop(),
  }
}

/** Longest wait before a stream that ended is opened again on a connection that still stands. */
const maxReopenMs = 10_000
const minReopenMs = 250

/** Two connections of one replica would take the stream from each other for ever: the older one gives way. */
async function keepConversing(
  replica: Replica,
  connection: MemoryConnection,
  init: MemoryInit & { isNewest(): boolean },
): Promise<void> {
  let waitMs = minReopenMs
  while (!connection.signal.aborted && init.isNewest()) {
    const beganMs = init.clock.monotonicMs()
    try {
      await replica.converse(connection)
    } catch (error) {
      if (connection.signal.aborted) return
      init.log.warn({ err: asError(error) }, 'the sync stream ended')
    }
    // A stream that held for long ended for a new reason.
    if (init.clock.monotonicMs() - beganMs > maxReopenMs) waitMs = minReopenMs
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        cancel()
        connection.signal.removeEventListener('abort', finish)
        resolve()
      }
      const cancel = init.clock.after(waitMs, finish)
      connection.signal.addEventListener('abort', finish, { once: true })
    })
    waitMs = Math.min(waitMs * 2, maxReopenMs)
  }
}
