/** A client of Hocuspocus: one socket for all of its documents. */
import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { WebSocket } from 'ws'
import { Doc } from 'yjs'
import type { Client, Connect, Document } from '../../subject.ts'
import { YjsDocument } from '../yjs-document.ts'

export const connect: Connect = ({ endpoint }) =>
  Promise.resolve(
    new HocuspocusClient(new HocuspocusProviderWebsocket({ url: endpoint, WebSocketPolyfill: WebSocket })),
  )

class HocuspocusClient implements Client {
  readonly #socket: HocuspocusProviderWebsocket

  constructor(socket: HocuspocusProviderWebsocket) {
    this.#socket = socket
  }

  async create(name: string, text: string): Promise<Document> {
    const document = await this.open(name)
    document.change([[0, 0, text]])
    return document
  }

  async open(ref: string): Promise<Document> {
    const doc = new Doc()
    const provider = new HocuspocusProvider({ websocketProvider: this.#socket, name: ref, document: doc })
    const synced = new Promise<void>((resolve) => provider.on('synced', resolve))
    provider.attach()
    await synced
    const settled = async (): Promise<void> => {
      while (provider.hasUnsyncedChanges) {
        await new Promise<void>((resolve) => provider.on('unsyncedChanges', resolve))
      }
    }
    return new YjsDocument(ref, doc, settled)
  }

  goOffline(): Promise<void> {
    this.#socket.disconnect()
    return Promise.resolve()
  }

  readyToGoOnline(): Promise<void> {
    return Promise.resolve()
  }

  goOnline(): void {
    void this.#socket.connect()
  }
}
