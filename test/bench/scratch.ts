/** Temporary folders. Keeps true: each is gone when the bench has ended, however it ended. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folders = new Set<string>()

/** Short: a socket of a server may lie below it, and the path of a socket has little room. */
export function makeScratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mooring-bench-'))
  folders.add(folder)
  return folder
}

export function removeScratch(folder: string): void {
  // Tried again for a moment: a process that was killed may still be finishing a write.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  folders.delete(folder)
}

export function removeAllScratch(): void {
  for (const folder of folders) removeScratch(folder)
}
