/**
 * Entry of the threads that have a file open: `store`, which holds the lock and the only connection to the database that
 * writes, `reader`, and `search` with the index of its own. Keeps: messages are handled in the order they came, each is answered once, and after a
 * failure that leaves durability in doubt nothing is written any more.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { MooringError } from '../../protocol/errors.ts'
import { toThreadError } from './sqlite-errors.ts'
import { openReaderThread } from './sqlite-reader-thread.ts'
import { openSearchThread } from './sqlite-search-thread.ts'
import { openStoreThread } from './sqlite-store-thread.ts'
import type { ThreadMessage, ThreadReply, ThreadRole } from './sqlite-thread.ts'

const port = parentPort
if (port === null) throw new Error('this file is the entry of a worker thread')

const post = (reply: ThreadReply): void => port.postMessage(reply)
const role = workerData as ThreadRole
const where = role.kind === 'store' ? 'write' : 'read'
let isFailed = false

function answerError(id: number, error: unknown): void {
  const failure = toThreadError(error, where)
  isFailed ||= failure.fatal
  post({ kind: 'error', id, error: failure })
}

function answer(ops: object, { id, op, args }: ThreadMessage): void {
  try {
    if (isFailed && op !== 'close') throw new MooringError('storage-failed', { detail: 'an earlier write failed' })
    const handle: unknown = Object.hasOwn(ops, op) ? Reflect.get(ops, op) : undefined
    if (typeof handle !== 'function') throw new Error(`no operation ${op}`)
    const value: unknown = Reflect.apply(handle, undefined, args)
    port?.postMessage({ kind: 'result', id, value } satisfies ThreadReply, ownBuffers(value))
  } catch (error) {
    answerError(id, error)
  }
}

/** The buffers that a result fills as a whole: they are handed over, which costs the same for any size. */
function ownBuffers(value: unknown): ArrayBuffer[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap((part: unknown) =>
    ArrayBuffer.isView(part) && part.buffer instanceof ArrayBuffer && part.byteLength === part.buffer.byteLength
      ? [part.buffer]
      : [],
  )
}

try {
  const open = (): object => {
    if (role.kind === 'store') return openStoreThread(role, post, (error) => answerError(0, error))
    return role.kind === 'reader' ? openReaderThread(role, post) : openSearchThread(role)
  }
  const ops = open()
  port.on('message', (message: ThreadMessage) => {
    answer(ops, message)
    // Nothing else keeps the thread alive, so it ends when what was posted is on its way.
    if (message.op === 'close') port.close()
  })
  post({ kind: 'ready' })
} catch (error) {
  answerError(0, error)
}
