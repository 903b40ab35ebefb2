/** What the processes of this bench can be told to do. One interface for both ends, so that neither can drift. */

/** Times are in ms on the monotonic clock of the machine, which all processes share. */
export interface ClientCommands {
  /** Makes a block to write to, on the one stream for writing that this process has. */
  create(input: { readonly endpoint: string; readonly address: string }): Promise<void>
  /** Makes the changes that the next `write` sends. */
  build(input: { readonly changes: number; readonly perFrame: number }): Promise<void>
  /** Answers when the first left and when the last was durable. */
  write(input: object): Promise<{ readonly startMs: number; readonly ackedMs: number }>
  /** Opens one stream for each endpoint. */
  watch(input: { readonly endpoints: readonly string[]; readonly pattern: string }): Promise<void>
  /** When the last of the watchers had everything up to a position of the log. */
  seen(input: { readonly seq: number }): Promise<number>
}

export interface Spread {
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export interface Spent {
  /** How much later than asked for a timer of the main thread ran, in ms. */
  readonly delayMs: Spread
  /** Processor time of the main thread between two runs of it: the delay, less what other processes took. */
  readonly turnMs: Spread
  /** Processor time by thread, in ms; without /proc that of the main thread alone. */
  readonly cpuMs: Readonly<Record<string, number>>
}

export interface ServerCommands {
  begin(input: object): Promise<void>
  /** Since `begin`. */
  end(input: object): Promise<Spent>
}
