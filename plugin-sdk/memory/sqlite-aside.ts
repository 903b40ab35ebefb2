/** Rows of what the daemon refused for good, as they are handed out. Keeps: what was refused together stays together. */
import type { StoredAside } from './store.ts'

export type AsideRow = {
  readonly part: number
  readonly code: string
  readonly detail: string | null
  readonly bytes: Uint8Array
}

/** Changes that were refused together are one entry. */
export function asideOf(rows: readonly AsideRow[]): StoredAside[] {
  const parts = new Map<number, StoredAside & { changes: Uint8Array[] }>()
  for (const { part, code, detail, bytes } of rows) {
    const entry = parts.get(part) ?? { id: part, code, detail: detail ?? undefined, changes: [] }
    entry.changes.push(bytes)
    parts.set(part, entry)
  }
  return [...parts.values()]
}
