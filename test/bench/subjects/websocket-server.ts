/** How the bench starts a peer: a script that is told its folder, and says the port that it listens on. */
import type { Server, StartOptions } from '../subject.ts'

/** A peer that has not ended by then has a fault of its own, and must not hold up the others. */
const stopTimeoutMs = 60_000

export async function startWebSocketServer(script: URL, { dir, spawn }: StartOptions): Promise<Server> {
  const child = spawn(script, [dir])
  const { port } = await child.ready()
  return {
    process: child,
    transport: 'tcp',
    port: Number(port),
    endpoint: (through) => Promise.resolve(`ws://127.0.0.1:${through}`),
    stop: async () => {
      child.signal('SIGTERM')
      const timer = setTimeout(() => child.kill(), stopTimeoutMs)
      await child.exited
      clearTimeout(timer)
    },
  }
}
