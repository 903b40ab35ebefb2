/**
 * What is used of the peers, so that the project compiles where they are not installed. They are installed on demand,
 * only in this folder.
 */

declare module 'ws' {
  import type { EventEmitter } from 'node:events'
  export class WebSocketServer extends EventEmitter {
    constructor(options: object)
    address(): { port: number }
  }
  export class WebSocket extends EventEmitter {
    readonly bufferedAmount: number
  }
}

declare module 'yjs' {
  export class Text {
    readonly length: number
    insert(at: number, text: string): void
    delete(at: number, count: number): void
    toString(): string
    observe(listener: (event: unknown, transaction: { readonly local: boolean }) => void): void
  }
  export class Doc {
    getText(name: string): Text
    transact(work: () => void): void
  }
}

declare module '@automerge/automerge-repo' {
  export interface DocHandle<T> {
    readonly url: string
    doc(): T
    change(edit: (draft: T) => void): void
    on(event: 'change', listener: () => void): void
  }
  export type PeerId = string & { readonly __peerId: true }
  export function splice(draft: object, path: string[], at: number, removed: number, inserted: string): void
  export class Repo {
    constructor(options: object)
    readonly networkSubsystem: { disconnect(): void; reconnect(): void; whenReady(): Promise<unknown> }
    create<T>(initial: T): DocHandle<T>
    find<T>(url: string, options?: { readonly signal?: AbortSignal }): Promise<DocHandle<T>>
    flush(): Promise<void>
    shutdown(): Promise<void>
  }
}
declare module '@automerge/automerge-repo-network-websocket' {
  import type { WebSocketServer } from 'ws'
  export class WebSocketClientAdapter {
    constructor(url: string)
  }
  export class WebSocketServerAdapter {
    constructor(server: WebSocketServer)
  }
}
declare module '@automerge/automerge-repo-storage-nodefs' {
  export class NodeFSStorageAdapter {
    constructor(folder: string)
  }
}

declare module '@hocuspocus/server' {
  export class Server {
    constructor(options: object)
    readonly httpServer: import('node:http').Server
    listen(): Promise<unknown>
    destroy(): Promise<void>
  }
}
declare module '@hocuspocus/extension-sqlite' {
  export class SQLite {
    constructor(options: { readonly database: string })
  }
}
declare module '@hocuspocus/provider' {
  import type { Doc } from 'yjs'
  export class HocuspocusProviderWebsocket {
    constructor(options: object)
    connect(): Promise<void>
    disconnect(): void
    destroy(): void
  }
  export class HocuspocusProvider {
    constructor(options: { websocketProvider: HocuspocusProviderWebsocket; name: string; document: Doc })
    readonly hasUnsyncedChanges: boolean
    readonly isSynced: boolean
    attach(): void
    on(event: 'synced' | 'unsyncedChanges', listener: () => void): void
  }
}

declare module 'y-websocket' {
  import type { Doc } from 'yjs'
  export class WebsocketProvider {
    constructor(url: string, room: string, doc: Doc, options: object)
    readonly synced: boolean
    readonly ws: import('ws').WebSocket | null
    connect(): void
    disconnect(): void
    on(event: 'sync', listener: (isSynced: boolean) => void): void
  }
}
declare module 'y-websocket/bin/utils' {
  export function setupWSConnection(socket: unknown, request: unknown): void
  export function getPersistence(): { readonly provider: { destroy(): Promise<void> } } | null
}
