/** A plugin, with the public SDK; what that loads when it is needed is loaded beforehand, as it is with the others. */
import { randomUUID } from 'node:crypto'
import { definePlugin, type Host, type RunningPlugin, runPlugin } from '../../../../plugin-sdk/index.ts'
import { type BlockHandle, splice } from '../../../../plugin-sdk/memory/index.ts'
import '../../../../plugin-sdk/node.ts'
import type { Edit } from '../../../fixtures/traces.ts'
import type { Client, Connect, Document } from '../../subject.ts'

const wants = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:bench/*`)

export const connect: Connect = async ({ endpoint, home }) => {
  const welcomed = Promise.withResolvers<Host>()
  const statusChanges = new Set<() => void>()
  const plugin = definePlugin({
    name: `bench-${randomUUID().slice(0, 8)}`,
    version: '1.0.0',
    wants,
    setup: (host) => welcomed.resolve(host),
  })
  const running = await runPlugin(plugin, {
    ticket: endpoint,
    home,
    onStatus: () => {
      for (const look of [...statusChanges]) look()
    },
  })
  running.done.catch(welcomed.reject)
  const host = await welcomed.promise
  return new MooringClient(running, host, statusChanges)
}

/** Between two attempts to dial for at least this long: what is said next reaches it before the next attempt. */
const calmMs = 50

class MooringClient implements Client {
  readonly #running: RunningPlugin
  readonly #host: Host
  readonly #statusChanges: Set<() => void>

  constructor(running: RunningPlugin, host: Host, statusChanges: Set<() => void>) {
    this.#running = running
    this.#host = host
    this.#statusChanges = statusChanges
  }

  async create(name: string, text: string): Promise<Document> {
    const document = await this.open(`space:bench/${name}`)
    document.change([[0, 0, text]])
    return document
  }

  async open(ref: string): Promise<Document> {
    const block = await this.#host.open(ref, 'text')
    await block.live()
    return new MooringDocument(ref, block)
  }

  /** There is nothing to call: the link has to be cut, and this waits until that was noticed. */
  goOffline(): Promise<void> {
    return this.#until('offline')
  }

  async readyToGoOnline(): Promise<void> {
    for (;;) {
      await this.#until('offline')
      await new Promise((resolve) => setTimeout(resolve, calmMs))
      if (this.#running.status.state === 'offline') return
    }
  }

  goOnline(): void {
    this.#running.reconnectNow()
  }

  #until(state: string): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#running.status.state !== state) return
        this.#statusChanges.delete(look)
        resolve()
      }
      this.#statusChanges.add(look)
      look()
    })
  }
}

class MooringDocument implements Document {
  readonly ref: string
  readonly #block: BlockHandle<'text'>

  constructor(ref: string, block: BlockHandle<'text'>) {
    this.ref = ref
    this.#block = block
  }

  text(): string {
    return this.#block.value.text
  }

  length(): number {
    return this.#block.value.text.length
  }

  change(edits: readonly Edit[]): void {
    this.#block.change((draft) => {
      for (const [at, removed, inserted] of edits) splice(draft, ['text'], at, removed, inserted)
    })
  }

  onRemote(listener: () => void): void {
    this.#block.on('change', ({ local }) => {
      if (!local) listener()
    })
  }

  settled(): Promise<void> {
    return this.#block.flushed()
  }
}
