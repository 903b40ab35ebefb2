/** The ports of a subject: what the bench needs of a server, and what it needs of a client in a process of its own. */

import type { Edit } from '../fixtures/traces.ts'
import type { Child } from './processes.ts'

export interface Subject {
  readonly name: string
  /** What it is made of, for the head of the table. */
  readonly what: string
  /** The module that exports {@link Connect}; loaded in client processes only. */
  readonly client: URL
  /** Starts a server process that keeps its data in `dir`, which may hold the data of an earlier one. */
  start(options: StartOptions): Promise<Server>
}

export interface StartOptions {
  readonly dir: string
  spawn(script: URL, args: readonly string[], env?: Readonly<Record<string, string | undefined>>): Child
}

export interface Server {
  readonly process: Child
  readonly transport: 'udp' | 'tcp'
  /** On 127.0.0.1. */
  readonly port: number
  /** What one new client needs to connect over `port`, which is the server's own or that of a relay. */
  endpoint(port: number): Promise<string>
  /** Ends in order, with everything written. */
  stop(): Promise<void>
}

export interface ConnectOptions {
  /** What {@link Server.endpoint} gave. */
  readonly endpoint: string
  /** An empty folder that is the client's own. */
  readonly home: string
}

/** Resolves when connected, or at once where opening a document is what connects. */
export type Connect = (options: ConnectOptions) => Promise<Client>

export interface Client {
  /** Makes a document with this text. */
  create(name: string, text: string): Promise<Document>
  /** Resolves when the document is here as far as the server said what it has. */
  open(ref: string): Promise<Document>
  /** Resolves when nothing reaches the server any more; edits go on. */
  goOffline(): Promise<void>
  /** Resolves when a {@link goOnline} would dial at once. */
  readyToGoOnline(): Promise<void>
  goOnline(): void
}

export interface Document {
  /** What another client opens it with. */
  readonly ref: string
  /** The whole text, as a program that works with it would get it. */
  text(): string
  /** Length of the text, the cheapest way there is. */
  length(): number
  /** All of them as one change, one transaction or one batch. */
  change(edits: readonly Edit[]): void
  /** Calls for what others changed, after it is in the text. */
  onRemote(listener: () => void): void
  /** Resolves when the server has what was changed here, as far as the subject can tell. */
  settled(): Promise<void>
}
