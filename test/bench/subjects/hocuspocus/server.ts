/** A server process of Hocuspocus: `server.ts FOLDER`. */
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { SQLite } from '@hocuspocus/extension-sqlite'
import { Server } from '@hocuspocus/server'
import { serve } from '../websocket-process.ts'

const [dir = ''] = process.argv.slice(2)
const server = new Server({
  port: 0,
  address: '127.0.0.1',
  quiet: true,
  stopOnSignals: false,
  extensions: [new SQLite({ database: join(dir, 'documents.sqlite') })],
})
await server.listen()
serve({ port: (server.httpServer.address() as AddressInfo).port, stop: () => server.destroy() })
