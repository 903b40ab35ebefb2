/** The damaged rows that a backend met. Keeps: each is in the log once, and whoever listens later is told of those before. */
import type { StorageLog } from './backend.ts'
import type { DamagedRow } from './storage.ts'

/** Remembered at most: a disk that is worse than that has more to say than anybody reads. */
const maxRows = 10_000

export class DamageReports {
  readonly #log: Pick<StorageLog, 'error'>
  readonly #met = new Map<string, DamagedRow>()
  readonly #listeners = new Set<(row: DamagedRow) => void>()

  constructor(log: Pick<StorageLog, 'error'>) {
    this.#log = log
  }

  report(row: DamagedRow): void {
    const name = `${row.table} ${row.key}`
    if (!this.#met.has(name) && this.#met.size < maxRows) {
      this.#met.set(name, row)
      this.#log.error({ ...row }, 'a damaged row was found; it is not served')
    }
    for (const listener of this.#listeners) listener(row)
  }

  listen(listener: (row: DamagedRow) => void): () => void {
    for (const row of this.#met.values()) listener(row)
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
