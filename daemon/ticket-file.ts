/** The public ticket of this daemon in a file: how plugins on this machine find it. It names no secret. */
import { rename, writeFile } from 'node:fs/promises'

/** Replaces the file in one step: a plugin that starts at this moment reads a whole ticket, the old one or the new. */
export async function writeTicketFile(path: string, ticket: string): Promise<void> {
  const beside = `${path}.new`
  await writeFile(beside, `${ticket}\n`, { mode: 0o600 })
  await rename(beside, path)
}
