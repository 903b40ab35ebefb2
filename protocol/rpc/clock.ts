/** The clock port: time is an argument, so that tests and the simulator decide what it is. */
export interface Clock {
  /** Milliseconds of a clock that never goes back; only differences mean anything. */
  monotonicMs(): number
  /** Wall-clock milliseconds since 1970. */
  nowMs(): number
  /** Runs once after `ms`; the returned function cancels. */
  after(ms: number, run: () => void): () => void
}
