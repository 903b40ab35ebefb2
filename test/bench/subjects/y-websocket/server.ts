/** A server process of y-websocket, which keeps its data in the folder that `YPERSISTENCE` names. */
import { once } from 'node:events'
import { WebSocketServer } from 'ws'
import { getPersistence, setupWSConnection } from 'y-websocket/bin/utils'
import { serve } from '../websocket-process.ts'

const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
await once(sockets, 'listening')
sockets.on('connection', setupWSConnection)
serve({
  port: sockets.address().port,
  // Waits for the updates that are still in its queue.
  stop: async () => await getPersistence()?.provider.destroy(),
})
