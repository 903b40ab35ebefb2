/**
 * Which daemon a plugin dials. Keeps true: the key of the daemon is known before anything is dialled, and within one run
 * it never changes, whatever a file says later.
 */
import { open } from 'node:fs/promises'
import {
  formatTicket,
  MooringError,
  type PeerId,
  parsePeerId,
  parseTicket,
  placesFrom,
  type Ticket,
} from '../protocol/index.ts'

export interface DiscoverInit {
  /** A ticket as text, `moor1…`. */
  readonly ticket?: string | undefined
  /** A daemon without a ticket: its peer id and its addresses, as in a ticket. */
  readonly daemon?: { readonly peer: string; readonly addresses: readonly string[] } | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** The daemon whose blocks are here: enough to work with them while no daemon can be found. */
  readonly known?: PeerId | undefined
  /** As `process.platform`. */
  readonly platform: string
  readonly homedir: string
}

/** Longer than any ticket, short enough to read without a thought. */
const maxFileBytes = 16 * 1024

/**
 * Makes the function that finds the daemon: the ticket or daemon that was given, else the ticket in `MOORING_TICKET`, else
 * the public ticket of the daemon of this machine. The file is read anew each time, because a daemon that was started
 * again may listen elsewhere; while it is absent the last one holds.
 *
 * The function throws `daemon-unreachable` when there is nothing to dial, `ticket-invalid`, and `key-mismatch` when the
 * file names another daemon than before.
 */
export function createDiscovery(init: DiscoverInit): () => Promise<Ticket> {
  const given = givenTarget(init)
  if (given !== undefined) return async () => given
  const { ticketFile } = placesFrom(init)
  let last: Ticket | undefined
  return async () => {
    const text = await readShort(ticketFile)
    if (text === undefined) {
      if (last !== undefined) return last
      // Nobody can be dialled, but the key of the daemon is known: it is looked for again before every attempt.
      if (init.known !== undefined) {
        last = { daemon: init.known, addresses: [] }
        return last
      }
      throw new MooringError('daemon-unreachable', {
        detail: `no daemon was ever started on this machine (${ticketFile} is not there), and MOORING_TICKET is not set`,
      })
    }
    const found = parseTicket(text)
    pin(last?.daemon, found.daemon)
    last = found
    return found
  }
}

function givenTarget({ ticket, daemon, env }: DiscoverInit): Ticket | undefined {
  if (ticket !== undefined && daemon !== undefined) {
    throw new MooringError('invalid-input', { detail: 'give a ticket or a daemon, not both' })
  }
  if (ticket !== undefined) return parseTicket(ticket)
  // A ticket has the same two parts and checks their shape.
  if (daemon !== undefined) {
    return parseTicket(formatTicket({ daemon: parsePeerId(daemon.peer), addresses: daemon.addresses }))
  }
  const fromEnv = env.MOORING_TICKET
  return fromEnv === undefined || fromEnv === '' ? undefined : parseTicket(fromEnv)
}

function pin(known: PeerId | undefined, found: PeerId): void {
  if (known !== undefined && known !== found) {
    throw new MooringError('key-mismatch', { detail: 'the ticket file now names another daemon' })
  }
}

async function readShort(path: string): Promise<string | undefined> {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path, 'r')
  } catch {
    return undefined
  }
  try {
    const bytes = Buffer.alloc(maxFileBytes)
    const { bytesRead } = await file.read(bytes, 0, maxFileBytes, 0)
    return bytes.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}
