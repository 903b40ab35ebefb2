/**
 * A process that writes to a store and says on standard output what was acknowledged, for campaigns that break the disk
 * under it. Run as `store-writer.ts WHICH FOLDER`, with WHICH of `daemon` and `replica`; obeys lines on standard input and
 * prints `done` after each. `write N`: N calls one after another, `ack COUNT` for each that resolved and `refused CODE` for
 * each that did not. Of the daemon's store also `overlap N`: N calls of which three are always on their way; `read`: prints
 * `count N`; `revoke VERSION`: an urgent decision, then `revoked`. Of the replica's also `settled N`, as `write`, of
 * changes that may be folded; `fold`: waits until they were. Ends with its input, with the exit code of the daemon
 * when the store has failed. `SOAK_WAL_PAGES`: the write-ahead log is folded back after so many pages.
 */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { errorTable, MooringError } from '../../protocol/errors.ts'
import { DaemonStoreWriter } from './daemon-store.ts'
import { ReplicaStoreWriter } from './replica-store.ts'

/** What both stores have in common here. */
export interface StoreWriter {
  readonly failed: AbortSignal | undefined
  readonly commands: Readonly<Record<string, (argument: number) => Promise<void>>>
}

/** How early the write-ahead log is folded back. */
export const walOptions = (): { walPages?: number } => {
  const { SOAK_WAL_PAGES: pages } = process.env
  return pages === undefined ? {} : { walPages: Number(pages) }
}

/** At once: what is said must stand among the calls where it was said. */
export const say = (line: string): number => writeSync(1, `${line}\n`)

export const codeOf = (error: unknown): string => (error instanceof MooringError ? error.code : String(error))

async function main(which: string, folder: string): Promise<void> {
  const writer: StoreWriter =
    which === 'daemon' ? await DaemonStoreWriter.open(folder) : await ReplicaStoreWriter.open(folder)
  say('open')
  for await (const line of createInterface({ input: process.stdin })) {
    const [command = '', argument = '0'] = line.split(' ')
    await writer.commands[command]?.(Number(argument))
    say('done')
  }
  process.exit(writer.failed?.aborted === true ? errorTable['storage-failed'].exit : 0)
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2] ?? '', process.argv[3] ?? '')
