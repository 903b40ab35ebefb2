/** Hocuspocus with its SQLite extension, everything else as it comes. */
import type { Subject } from '../../subject.ts'
import { startWebSocketServer } from '../websocket-server.ts'

export const hocuspocus: Subject = {
  name: 'hocuspocus',
  what: 'Yjs over WebSocket; SQLite, the whole document 2 to 10 s after a change',
  client: new URL('./client.ts', import.meta.url),
  start: (options) => startWebSocketServer(new URL('./server.ts', import.meta.url), options),
}
