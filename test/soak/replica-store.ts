/**
 * The store of a replica under a campaign: what is written to it, and what must be found in it afterwards. Keeps: a call
 * writes changes, what is known of them and a cursor that says how many there are, so that a cursor that got ahead of what
 * it covers shows, and a call that was written by halves does too.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import * as A from '@automerge/automerge'
import Database from 'better-sqlite3'
import { lockFile, openFile, placeOf } from '../../plugin-sdk/memory/sqlite-file.ts'
import { openSqliteStore } from '../../plugin-sdk/memory/sqlite-store.ts'
import { Tables } from '../../plugin-sdk/memory/sqlite-tables.ts'
import type { ReplicaStore, StoreInit, StoreWrite } from '../../plugin-sdk/memory/store.ts'
import { type BlockAddress, type ReplicaId, schemaNamed, type TextValue } from '../../protocol/index.ts'
import { readChange } from '../../protocol/sync/index.ts'
import { self } from '../fixtures/storage-entries.ts'
import { mustHold } from './campaign.ts'
import { checkIntegrity } from './daemon-store.ts'
import { codeOf, type StoreWriter, say, walOptions } from './store-writer.ts'

const address = 'space:soak/text' as BlockAddress
const fileName = 'replica.db'

const initOf = (folder: string): StoreInit => ({
  path: join(folder, fileName),
  daemon: self,
  replica: '1'.repeat(32) as ReplicaId,
  ...walOptions(),
})
const open = (folder: string): Promise<ReplicaStore> => openSqliteStore(initOf(folder))

/** The same store with what its thread runs in this one: starting a thread takes longer than reading what is there. */
function openHere(folder: string): Pick<ReplicaStore, 'state' | 'read' | 'close'> {
  const init = initOf(folder)
  const lock = lockFile(init.path)
  const db = openFile(init.path)
  const tables = new Tables(db)
  return {
    state: tables.open(init, placeOf(init.path)),
    read: async (block) => tables.read(block),
    close: async () => {
      db.close()
      lock.close()
    },
  }
}

/** The n-th letter that is written. */
const letter = (n: number): string => String.fromCharCode(97 + (n % 26))

export class ReplicaStoreWriter implements StoreWriter {
  readonly failed = undefined
  readonly commands: StoreWriter['commands']
  readonly #store: ReplicaStore
  #doc: A.Doc<TextValue>
  #count = 0
  #position: number

  private constructor(store: ReplicaStore) {
    this.#store = store
    this.#position = store.state.nextPosition
    this.#doc = A.load<TextValue>(schemaNamed('text').initial.bytes, { actor: randomBytes(24).toString('hex') })
    this.commands = {
      write: (calls) => this.#write(calls, true),
      settled: (calls) => this.#write(calls, false),
      fold: async () => {
        while ((await store.read(address)).snapshot === undefined) await new Promise((next) => setTimeout(next, 50))
      },
    }
  }

  static async open(folder: string): Promise<ReplicaStoreWriter> {
    return new ReplicaStoreWriter(await open(folder))
  }

  async #write(calls: number, isUnsettled: boolean): Promise<void> {
    for (let call = 0; call < calls; call++) {
      const chunks = Array.from({ length: 1 + ((this.#count * 7) % 40) }, () => this.#edit())
      const writes = this.#writes(chunks, isUnsettled)
      try {
        await this.#store.write(writes)
        say(`ack ${this.#count}`)
      } catch (error) {
        say(`refused ${codeOf(error)}`)
      }
    }
  }

  #edit(): Uint8Array {
    const n = this.#count++
    this.#doc = A.change(this.#doc, { time: 0 }, (draft) => A.splice(draft, ['text'], n, 0, letter(n)))
    return A.getLastLocalChange(this.#doc) ?? new Uint8Array()
  }

  #writes(chunks: readonly Uint8Array[], isUnsettled: boolean): StoreWrite[] {
    const position = this.#position
    this.#position += chunks.length
    const { actor, seq, hash } = readChange(chunks.at(-1) ?? new Uint8Array())
    return [
      { kind: 'block', address, schema: 'text', generation: 1 },
      {
        kind: 'changes',
        address,
        isUnsettled,
        position,
        chunks: Buffer.concat(chunks),
        lengths: chunks.map((chunk) => chunk.length),
        own: { actor, seq, hash },
        tips: [],
        seen: 0,
      },
      { kind: 'cursor', cursor: Buffer.from(String(this.#count)) },
    ]
  }
}

/** Opens what is left of a store as a plugin does. @returns how many changes were there. @throws when one is missing */
export async function recoverReplicaStore(folder: string, withThreads = true): Promise<number> {
  const store = withThreads ? await open(folder) : openHere(folder)
  try {
    const cursor = Number(Buffer.from(store.state.cursor ?? []).toString())
    const { snapshot, changes, own } = await store.read(address)
    const base = A.load<TextValue>(snapshot ?? schemaNamed('text').initial.bytes)
    const [doc] = A.applyChanges(
      base,
      changes.map(({ bytes }) => bytes),
    )
    const expected = Array.from({ length: cursor }, (_, n) => letter(n)).join('')
    mustHold(doc.text === expected, 'the cursor and the changes must be of the same calls:', cursor, doc.text.length)
    mustHold((own.at(-1)?.seq ?? 0) === cursor, 'what is said to be held must be held:', own, cursor)
    return cursor
  } finally {
    await store.close()
    checkIntegrity(join(folder, fileName))
  }
}

/** How many changes there are by the cursor, whatever the store thinks of them. */
export function countReplicaRows(folder: string): number {
  const db = new Database(join(folder, fileName))
  try {
    const has = db.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'").pluck().get()
    if (has === 0) return 0
    const cursor = db.prepare("SELECT value FROM meta WHERE key = 'cursor'").pluck().get()
    return cursor === undefined ? 0 : Number(String(cursor))
  } finally {
    db.close()
  }
}
