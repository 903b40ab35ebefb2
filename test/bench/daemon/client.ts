/** One process with raw sync streams: the other end of {@link DaemonClient}. Ends when its input ends. */
import { createInterface } from 'node:readline'
import type { BlockAddress } from '../../../protocol/index.ts'
import { Author, type ReadyFrame } from './author.ts'
import type { ClientCommands } from './commands.ts'
import { Session } from './session.ts'

let writer: { readonly session: Session; readonly author: Author } | undefined
let ready: ReadyFrame[] = []
const watchers: Session[] = []

function mustWrite(): { readonly session: Session; readonly author: Author } {
  if (writer === undefined) throw new Error('no block was made')
  return writer
}

const commands: ClientCommands = {
  async create({ endpoint, address }) {
    const session = writer?.session ?? (await Session.enter(endpoint))
    const { generation, handle } = await session.create(address)
    const { daemon, peer, seed } = session
    writer = {
      session,
      author: new Author({ daemon, peer, seed, address: address as BlockAddress, generation, handle }),
    }
  },
  async build({ changes, perFrame }) {
    ready = await mustWrite().author.frames(changes, perFrame)
  },
  write() {
    const frames = ready
    ready = []
    return mustWrite().session.write(frames)
  },
  async watch({ endpoints, pattern }) {
    // One after the other: a storm of handshakes is another workload.
    for (const endpoint of endpoints) {
      const session = await Session.enter(endpoint)
      await session.watch(pattern)
      watchers.push(session)
    }
  },
  async seen({ seq }) {
    return Math.max(...(await Promise.all(watchers.map((watcher) => watcher.seen(seq)))))
  },
}

const run = commands as unknown as Readonly<Record<keyof ClientCommands, (input: unknown) => Promise<unknown>>>

async function answer(line: string): Promise<void> {
  const { id, command, input } = JSON.parse(line) as { id: number; command: keyof ClientCommands; input: unknown }
  let reply: object
  try {
    reply = { id, result: await run[command](input) }
  } catch (error) {
    reply = { id, error: error instanceof Error ? error.message : String(error) }
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`)
}

createInterface({ input: process.stdin })
  .on('line', (line) => void answer(line))
  .on('close', () => process.exit(0))
