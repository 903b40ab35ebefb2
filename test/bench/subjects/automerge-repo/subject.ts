/** automerge-repo, set up as its own sync server: WebSocket, files, shares only what is asked for. */
import type { Subject } from '../../subject.ts'
import { startWebSocketServer } from '../websocket-server.ts'

export const automergeRepo: Subject = {
  name: 'automerge-repo',
  what: 'Automerge over WebSocket; files, written up to 100 ms after the change was passed on',
  client: new URL('./client.ts', import.meta.url),
  start: (options) => startWebSocketServer(new URL('./server.ts', import.meta.url), options),
}
