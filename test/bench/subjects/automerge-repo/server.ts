/** A server process of automerge-repo: `server.ts FOLDER`. */
import { once } from 'node:events'
import { type PeerId, Repo } from '@automerge/automerge-repo'
import { WebSocketServerAdapter } from '@automerge/automerge-repo-network-websocket'
import { NodeFSStorageAdapter } from '@automerge/automerge-repo-storage-nodefs'
import { WebSocketServer } from 'ws'
import { serve } from '../websocket-process.ts'

const [dir = ''] = process.argv.slice(2)
const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
await once(sockets, 'listening')
const repo = new Repo({
  network: [new WebSocketServerAdapter(sockets)],
  storage: new NodeFSStorageAdapter(dir),
  peerId: 'bench-server' as PeerId,
  sharePolicy: () => Promise.resolve(false),
})
serve({
  port: sockets.address().port,
  stop: async () => {
    await repo.flush()
    await repo.shutdown()
  },
})
