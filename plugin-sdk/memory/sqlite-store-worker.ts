/**
 * Entry of the thread that has the file of a replica open. Keeps: messages are handled in the order they came, each is
 * answered once, and after a failure that leaves durability in doubt nothing is written any more.
 */
import { parentPort } from 'node:worker_threads'
import type { BlockAddress } from '../../protocol/ids.ts'
import { Checkpoints } from './sqlite-checkpoint.ts'
import { isBroken, type ThreadError, toThreadError } from './sqlite-errors.ts'
import { lockFile, openFile, placeOf } from './sqlite-file.ts'
import { Folder } from './sqlite-fold.ts'
import { Tables } from './sqlite-tables.ts'
import type { StoredContent, StoreInit, StoreState, StoreWrite } from './store.ts'

export type StoreCall =
  /** First of all, and once. */
  | { readonly id: number; readonly op: 'open'; readonly init: StoreInit }
  | { readonly id: number; readonly op: 'write'; readonly writes: readonly StoreWrite[] }
  | { readonly id: number; readonly op: 'read'; readonly address: BlockAddress }
  | { readonly id: number; readonly op: 'close' }

export type StoreReply =
  | { readonly kind: 'open'; readonly id: number; readonly state: StoreState }
  | { readonly kind: 'done'; readonly id: number; readonly content?: StoredContent }
  | { readonly kind: 'error'; readonly id: number; readonly error: ThreadError }
  /** Something that is no failure of a promise. */
  | { readonly kind: 'warn'; readonly error: ThreadError }

const port = parentPort
if (port === null) throw new Error('this file is the entry of a worker thread')

const post = (reply: StoreReply): void => port.postMessage(reply)

function serve(id: number, init: StoreInit): void {
  const lock = lockFile(init.path)
  try {
    const db = openFile(init.path)
    try {
      if (init.maxPages !== undefined) db.pragma(`max_page_count = ${init.maxPages}`)
      const tables = new Tables(db)
      const state = tables.open(init, placeOf(init.path))
      let failure: ThreadError | undefined
      // Told by the next call: what was answered before is as durable as it was.
      const onFailure = (error: unknown): void => {
        failure ??= toThreadError(error)
      }
      const checkpoints = new Checkpoints({ db, onFailure, maxPages: init.walPages })
      const folder = new Folder(tables, {
        busyAt: init.foldBusyAt,
        onWritten: () => checkpoints.written(),
        onFailure: (error) => {
          if (isBroken(error)) onFailure(error)
          post({ kind: 'warn', error: toThreadError(error) })
        },
      })
      const handle = (call: StoreCall): StoredContent | undefined => {
        if (call.op === 'read') return tables.read(call.address)
        if (call.op === 'write') {
          tables.write(call.writes)
          checkpoints.written()
        } else if (call.op === 'close') {
          folder.close()
          checkpoints.close()
          db.close()
          lock.close()
        }
        return undefined
      }
      port?.on('message', (call: StoreCall) => {
        try {
          if (failure !== undefined && call.op !== 'close') {
            post({ kind: 'error', id: call.id, error: failure })
            return
          }
          const content = handle(call)
          post({ kind: 'done', id: call.id, ...(content === undefined ? {} : { content }) })
        } catch (error) {
          const answer = toThreadError(error)
          if (call.op === 'write' && answer.code !== 'storage-full') failure = answer
          post({ kind: 'error', id: call.id, error: answer })
        }
        // Nothing else keeps the thread alive, so it ends when what was posted is on its way.
        if (call.op === 'close') port?.close()
      })
      post({ kind: 'open', id, state })
    } catch (error) {
      db.close()
      throw error
    }
  } catch (error) {
    lock.close()
    throw error
  }
}

port.once('message', (call: StoreCall) => {
  try {
    if (call.op === 'open') serve(call.id, call.init)
  } catch (error) {
    post({ kind: 'error', id: call.id, error: toThreadError(error) })
  }
})
