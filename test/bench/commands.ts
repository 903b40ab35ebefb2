/** What a client process can be told to do. One interface for both ends, so that neither can drift from the other. */

/** A document that a client has opened. */
export interface Held {
  /** Which client of the process: it may play many. */
  readonly client: string
  readonly ref: string
}

/** What a watcher saw: entry i says that the text had `lengths[i]` characters at `atMs[i]`. */
export interface Marks {
  readonly lengths: readonly number[]
  readonly atMs: readonly number[]
}

/** Times are in ms on the monotonic clock of the machine, which all processes share. */
export interface Commands {
  connect(input: { readonly client: string; readonly endpoint: string; readonly home: string }): Promise<void>
  /** Makes a document and waits until the server has it, unless told not to. Answers what others open it with. */
  create(input: {
    readonly client: string
    readonly name: string
    readonly text: string
    readonly isUrgent?: boolean
  }): Promise<string>
  createMany(input: {
    readonly client: string
    readonly count: number
    readonly text: string
  }): Promise<readonly string[]>
  open(input: Held): Promise<void>
  /** Reads the text from now on whenever it changed, and notes what it saw. */
  watch(input: Held): Promise<void>
  /** What was seen so far, once the text has this length. */
  seen(input: Held & { readonly length: number }): Promise<Marks>
  /** Types letters, one a change; `everyMs` 0 is as fast as it goes. Answers when each was typed. */
  type(input: Held & { readonly count: number; readonly everyMs: number }): Promise<readonly number[]>
  settle(input: Held): Promise<void>
  /** Replays the recorded session up to an edit. */
  replay(input: Held & { readonly upTo: number; readonly perChange: number }): Promise<{
    readonly startMs: number
    readonly writtenMs: number
  }>
  /** Answers when the text has this length and SHA-256. */
  whenText(input: Held & { readonly length: number; readonly sha256: string }): Promise<number>
  /** Connects, opens and reads until the text has this length and SHA-256. Answers how long it took, in ms. */
  openCold(input: {
    readonly endpoint: string
    readonly home: string
    readonly ref: string
    readonly length: number
    readonly sha256: string
  }): Promise<number>
  /** Connects, opens all and reads each until it has a text. Answers how long it took, in ms. */
  openMany(input: {
    readonly endpoint: string
    readonly home: string
    readonly refs: readonly string[]
    readonly length: number
  }): Promise<number>
  goOffline(input: { readonly client: string }): Promise<void>
  readyToGoOnline(input: { readonly client: string }): Promise<void>
  /** Answers when it was told to. */
  goOnline(input: { readonly client: string }): Promise<number>
  /** Kills a process from within the callback that sees this length. Answers the length that it saw. */
  killAt(input: Held & { readonly length: number; readonly pid: number }): Promise<number>
  /** The length of the text, once it is this or has not grown for a while. */
  lengthAfter(input: Held & { readonly length: number; readonly quietMs: number }): Promise<number>
}

export type CommandName = keyof Commands
