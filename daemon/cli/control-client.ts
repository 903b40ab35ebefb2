/**
 * The commands' end of the control socket. Keeps true: every connection begins with hello and the token, nothing is sent to
 * a socket in a directory that others can write to, and no answer means `daemon-unreachable`, never a hang.
 */
import { readFile } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import { dirname } from 'node:path'
import {
  Caller,
  Channel,
  type Clock,
  type ControlClient,
  controlProtocol,
  createClient,
  decodeValue,
  fromWireError,
  limits,
  MooringError,
  type Places,
  parseFrame,
  rpcFrames,
} from '../../protocol/index.ts'
import { checkPrivate, isPipeName } from '../net/control-socket.ts'
import { SocketStream } from '../net/socket-stream.ts'

export interface ControlConnection {
  readonly client: ControlClient
  close(): Promise<void>
}

export interface ConnectOptions {
  readonly places: Places
  readonly clock: Clock
  readonly signal: AbortSignal
  /** For each connection with its hello. @default 5000 */
  readonly timeoutMs?: number
}

/** @throws `daemon-unreachable`, `control-denied`, `timeout` when something listens and says nothing, `cancelled` */
export async function connectControl(options: ConnectOptions): Promise<ControlConnection> {
  const channels = new Set<Channel>()
  const openChannel = async (): Promise<Channel> => {
    const channel = await openWithHello(options)
    channels.add(channel)
    channel.ended.addEventListener('abort', () => channels.delete(channel), { once: true })
    return channel
  }
  // The first connection is made now, so that a missing daemon is known before the command begins.
  let first: Channel | undefined = await openChannel()
  const caller = new Caller({
    clock: options.clock,
    openChannel: () => {
      const ready = first
      first = undefined
      return ready === undefined || ready.ended.aborted ? openChannel() : Promise.resolve(ready)
    },
  })
  return {
    client: createClient(controlProtocol, caller),
    close: async () => {
      for (const channel of channels) channel.abort(new MooringError('cancelled'))
      await caller.close()
    },
  }
}

async function openWithHello({ places, clock, signal, timeoutMs = 5_000 }: ConnectOptions): Promise<Channel> {
  if (signal.aborted) throw new MooringError('cancelled')
  const socket = await open(places.socket)
  const channel = new Channel(new SocketStream(socket), { clock })
  const onAbort = (): void => channel.abort(new MooringError('cancelled'))
  const cancel = clock.after(timeoutMs, () =>
    channel.abort(
      new MooringError('timeout', { detail: 'something listens on the control socket and does not answer' }),
    ),
  )
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    // Read after connecting: a daemon writes its token before it listens, so this is the token of whoever answered.
    const token = await readToken(places.tokenFile)
    channel.send({ t: 'call', id: 1, op: 'session.hello', input: { token }, timeoutMs: limits.helloTimeoutMs })
    const bytes = await channel.next()
    if (bytes === undefined) throw new MooringError('daemon-unreachable', { detail: 'the connection ended at once' })
    const frame = parseFrame(rpcFrames.listener, decodeValue(bytes))
    if (frame.t === 'error') throw fromWireError(frame)
    if (frame.t !== 'result') throw new MooringError('malformed', { detail: 'an answer to hello' })
    return channel
  } catch (error) {
    channel.abort(new MooringError('cancelled'))
    throw error
  } finally {
    cancel()
    signal.removeEventListener('abort', onAbort)
  }
}

async function open(path: string): Promise<Socket> {
  try {
    // Whoever could put a socket there would be told the token.
    if (!isPipeName(path)) await checkPrivate(dirname(path))
    return await new Promise<Socket>((resolve, reject) => {
      const socket = createConnection({ path, allowHalfOpen: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(socket)
      })
    })
  } catch (cause) {
    if (cause instanceof MooringError) throw cause
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'EACCES' || code === 'EPERM') throw new MooringError('control-denied', { cause })
    throw new MooringError('daemon-unreachable', { cause })
  }
}

async function readToken(tokenFile: string): Promise<string> {
  try {
    return (await readFile(tokenFile, 'utf8')).trim()
  } catch (cause) {
    throw new MooringError('control-denied', { detail: 'the token file cannot be read', cause })
  }
}
