/**
 * Tells a replica how far a long catch-up has come, in changes, so that a plugin can show it. Keeps: what is short is not
 * told of, what is told never goes back, and nothing is counted for who is at the tail of the log.
 */

/** One small frame for this much at most. */
const everyChanges = 250
const everyBytes = 128 * 1024

export class SendProgress {
  readonly #tell: (done: number, total: number) => void
  #done = 0
  #total = 0
  /** Where the part ends that is being sent: more of it than was expected counts for nothing. */
  #end = Number.POSITIVE_INFINITY
  #changesSince = 0
  #bytesSince = 0
  #isTold = false

  constructor(tell: (done: number, total: number) => void) {
    this.#tell = tell
  }

  /** So many changes more are going to be sent, or found to be there. */
  expect(changes: number): void {
    this.#total += changes
  }

  sent(changes: number, bytes = 0): void {
    if (this.#total === 0) return
    this.#done = Math.max(this.#done, Math.min(this.#done + changes, this.#end, this.#total))
    this.#changesSince += changes
    this.#bytesSince += bytes
    if (this.#changesSince < everyChanges && this.#bytesSince < everyBytes) return
    this.#changesSince = 0
    this.#bytesSince = 0
    this.#isTold = true
    this.#tell(Math.floor(this.#done), this.#total)
  }

  /** What is expected of one block: what the replica turned out to have of it counts when the block is done. */
  async part<Result>(changes: number, send: () => Promise<Result>): Promise<Result> {
    const end = this.#done + changes
    this.#end = end
    const result = await send()
    this.#end = Number.POSITIVE_INFINITY
    this.sent(end - this.#done)
    return result
  }

  /** Everything that was expected has been sent. */
  end(): void {
    if (this.#isTold) this.#tell(this.#total, this.#total)
    this.#done = 0
    this.#total = 0
    this.#changesSince = 0
    this.#bytesSince = 0
    this.#isTold = false
  }
}
