/**
 * The composition root: the only place that knows two subsystems. Builds the parts in order, so that nobody can find the
 * daemon before it can answer, and stops them in exact reverse.
 */
import { randomBytes } from 'node:crypto'
import { asError, type Clock, formatTicket, type PeerId, type Places } from '../protocol/index.ts'
import { Approvals } from './approvals/approvals.ts'
import { type Config, quotasIn } from './config.ts'
import { startDerived } from './derived.ts'
import { BlockEdits } from './handlers/block-edits.ts'
import { Blocks } from './handlers/blocks.ts'
import { controlHandlers } from './handlers/control/index.ts'
import { History } from './handlers/history.ts'
import { hostHandlers } from './handlers/host/index.ts'
import { Undo } from './handlers/undo.ts'
import { loadIdentity } from './identity.ts'
import { Lifecycle } from './lifecycle.ts'
import { type ChangeLogInit, openChangeLog } from './log/change-log.ts'
import type { Log } from './log.ts'
import { createControlServer } from './net/control-socket.ts'
import { Links } from './net/links.ts'
import { createNode, peerOf } from './net/node.ts'
import { protocolBindings } from './protocols.ts'
import { openSearchIndex, openStorage } from './storage/index.ts'
import { systemClock } from './system-clock.ts'
import { writeTicketFile } from './ticket-file.ts'

export interface DaemonInit {
  readonly places: Places
  readonly config: Config
  readonly version: string
  readonly log: Log
  /** @default the process's clock */
  readonly clock?: Clock
  /** Runs work with a umask that lets only the owner in. */
  withUmask<T>(work: () => T): T
}

export interface Daemon extends AsyncDisposable {
  readonly peer: PeerId
  readonly ticket: string
  addresses(): string[]
  /** Aborts when the daemon cannot go on (the reason says why) or was asked to stop over the control socket. */
  readonly ended: AbortSignal
  /** Stops every part; idempotent. Returns what failed to stop. */
  stop(): Promise<readonly Error[]>
}

/** @throws `state-in-use`, `database-corrupt`, `database-newer`, `config-invalid`, `address-in-use`; nothing is left running */
export async function startDaemon(init: DaemonInit): Promise<Daemon> {
  const { clock = systemClock, config, log, places, version } = init
  const random = (bytes: number): Uint8Array => new Uint8Array(randomBytes(bytes))
  const ended = new AbortController()
  const own = log.sub('daemon')
  const lifecycle = new Lifecycle(clock, own)
  try {
    const identity = await loadIdentity(places.identityFile)
    const self = await peerOf(identity.seed)

    const store = { backend: config.storage.backend, dir: places.stateDir, log: log.sub('storage') }
    const storage = await openStorage({ ...store, self })
    await lifecycle.start({ name: 'storage', stop: () => storage.close() })
    storage.failed.addEventListener('abort', () => ended.abort(storage.failed.reason), { once: true })

    const approvals: Approvals = new Approvals({
      storage,
      clock,
      random,
      self,
      log: log.sub('approvals'),
      onCut: (peer, code) => links.cut(peer, code),
    })
    await lifecycle.start({ name: 'approvals', start: () => approvals.start(), stop: () => approvals.stop() })

    const peers = () => approvals.peers().map((row) => row.peer)
    const grantOf: ChangeLogInit['grantOf'] = (peer) => approvals.grantOf(peer)
    const recall: ChangeLogInit['history'] = (row, hashes) => views.recall(row, hashes)
    const changeLog = await openChangeLog({
      ...{ storage, clock, self, seed: identity.seed, peers, grantOf, history: recall },
      quotas: quotasIn(config),
    })
    await lifecycle.start({ name: 'log', stop: () => changeLog.settled() })

    const made = { storage, searchIndex: openSearchIndex(store), changeLog, clock, log, random, self }
    const derived = await startDerived(lifecycle, { ...made, seed: identity.seed })
    const { edits, views, verification } = derived
    const blocks = new Blocks({ log: changeLog, views, verification })
    const blockEdits = new BlockEdits({ blocks, edits, log: changeLog, views })
    const history = new History({ approvals, blocks, log: changeLog, views, storage, self })
    const undo = new Undo({ blocks, edits, log: changeLog, views, self })
    const links = new Links({ clock, random, approvals, log: log.sub('net') })
    const parts = { ...derived, approvals, blockEdits, blocks, clock, history, links, undo }
    const handlers = hostHandlers({ ...parts, self, log })
    const protocols = protocolBindings({ approvals, changeLog, clock, handlers, links, log, verification })
    const node = await createNode({
      seed: identity.seed,
      listen: config.listen,
      links,
      protocols,
      clock,
      log: log.sub('net'),
    })
    await lifecycle.start({ name: 'net', start: () => node.start(), stop: () => node.stop() })

    const daemon = {
      version,
      pid: process.pid,
      peer: self,
      stateDir: places.stateDir,
      startedAtMs: clock.nowMs(),
      firstStart: identity.isNew,
      get state() {
        return ended.signal.aborted ? ('stopping' as const) : ('running' as const)
      },
      addresses: () => node.addresses(),
      stop: () => ended.abort(),
    }
    const { socket, runtimeDir, tokenFile } = places
    const control = createControlServer({
      ...{ socket, runtimeDir, tokenFile, version, clock, random },
      handlers: controlHandlers({ ...parts, daemon, log: changeLog }),
      log: log.sub('control'),
      withUmask: init.withUmask,
    })
    await lifecycle.start({ name: 'control', start: () => control.start(), stop: () => control.stop() })

    // Last: plugins on this machine find the daemon by this file. It stays: a plugin that starts meanwhile waits for us.
    const ticket = formatTicket({ daemon: self, addresses: node.addresses() })
    await lifecycle.start({ name: 'ticket', start: () => writeTicketFile(places.ticketFile, ticket) })
    own.info({ peer: self, addresses: node.addresses() }, 'the daemon is ready')

    return {
      peer: self,
      ticket,
      addresses: () => node.addresses(),
      ended: ended.signal,
      stop: () => lifecycle.stop(),
      [Symbol.asyncDispose]: async () => void (await lifecycle.stop()),
    }
  } catch (error) {
    own.error({ err: asError(error) }, 'the daemon could not start')
    await lifecycle.stop()
    throw error
  }
}
