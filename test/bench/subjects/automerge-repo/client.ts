/** A client of automerge-repo, without storage of its own. */
import { type DocHandle, Repo, splice } from '@automerge/automerge-repo'
import { WebSocketClientAdapter } from '@automerge/automerge-repo-network-websocket'
import type { Edit } from '../../../fixtures/traces.ts'
import type { Client, Connect, Document } from '../../subject.ts'

interface Content {
  text: string
}

export const connect: Connect = async ({ endpoint }) => {
  const repo = new Repo({ network: [new WebSocketClientAdapter(endpoint)] })
  await repo.networkSubsystem.whenReady()
  return new AutomergeRepoClient(repo)
}

/** A client cannot ask whether the server has everything; sync messages leave 100 ms after the change at the latest. */
const settleMs = 500

class AutomergeRepoClient implements Client {
  readonly #repo: Repo

  constructor(repo: Repo) {
    this.#repo = repo
  }

  create(_name: string, text: string): Promise<Document> {
    return Promise.resolve(new AutomergeRepoDocument(this.#repo.create<Content>({ text })))
  }

  async open(ref: string): Promise<Document> {
    return new AutomergeRepoDocument(await this.#repo.find<Content>(ref))
  }

  goOffline(): Promise<void> {
    this.#repo.networkSubsystem.disconnect()
    return Promise.resolve()
  }

  readyToGoOnline(): Promise<void> {
    return Promise.resolve()
  }

  goOnline(): void {
    this.#repo.networkSubsystem.reconnect()
  }
}

class AutomergeRepoDocument implements Document {
  readonly #handle: DocHandle<Content>

  constructor(handle: DocHandle<Content>) {
    this.#handle = handle
  }

  get ref(): string {
    return this.#handle.url
  }

  text(): string {
    return this.#handle.doc().text
  }

  length(): number {
    return this.#handle.doc().text.length
  }

  change(edits: readonly Edit[]): void {
    this.#handle.change((draft) => {
      for (const [at, removed, inserted] of edits) splice(draft, ['text'], at, removed, inserted)
    })
  }

  onRemote(listener: () => void): void {
    this.#handle.on('change', listener)
  }

  settled(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, settleMs))
  }
}
