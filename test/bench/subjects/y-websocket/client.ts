/** A client of y-websocket: a socket for each document, as it is made. */
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import { Doc } from 'yjs'
import type { Client, Connect, Document } from '../../subject.ts'
import { YjsDocument } from '../yjs-document.ts'

export const connect: Connect = ({ endpoint }) => Promise.resolve(new YWebsocketClient(endpoint))

/** A client cannot ask what the server has; what has left the socket is read soon. */
const settleMs = 100

class YWebsocketClient implements Client {
  readonly #url: string
  readonly #providers: WebsocketProvider[] = []

  constructor(url: string) {
    this.#url = url
  }

  async create(name: string, text: string): Promise<Document> {
    const document = await this.open(name)
    document.change([[0, 0, text]])
    return document
  }

  async open(ref: string): Promise<Document> {
    const doc = new Doc()
    // Clients of one process would else reach each other without the server.
    const provider = new WebsocketProvider(this.#url, ref, doc, { WebSocketPolyfill: WebSocket, disableBc: true })
    this.#providers.push(provider)
    await new Promise<void>((resolve) => {
      provider.on('sync', (isSynced) => {
        if (isSynced) resolve()
      })
    })
    const settled = async (): Promise<void> => {
      do {
        await new Promise((resolve) => setTimeout(resolve, settleMs))
      } while ((provider.ws?.bufferedAmount ?? 0) > 0)
    }
    return new YjsDocument(ref, doc, settled)
  }

  goOffline(): Promise<void> {
    for (const provider of this.#providers) provider.disconnect()
    return Promise.resolve()
  }

  readyToGoOnline(): Promise<void> {
    return Promise.resolve()
  }

  goOnline(): void {
    for (const provider of this.#providers) provider.connect()
  }
}
