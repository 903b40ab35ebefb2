/**
 * y-websocket with its own server and LevelDB. The 2.x line: the server that comes with 3.x is another package, made of
 * a pre-release of Yjs, and leaves persistence to whoever sets it up.
 */
import type { Subject } from '../../subject.ts'
import { startWebSocketServer } from '../websocket-server.ts'

export const yWebsocket: Subject = {
  name: 'y-websocket',
  what: 'Yjs over WebSocket; LevelDB, written behind a queue after the change was passed on',
  client: new URL('./client.ts', import.meta.url),
  start: ({ dir, spawn }) =>
    startWebSocketServer(new URL('./server.ts', import.meta.url), {
      dir,
      spawn: (script, args) => spawn(script, args, { YPERSISTENCE: dir }),
    }),
}
