/**
 * The control socket: how the operator's commands reach the daemon. Keeps true: only a process that can read the token
 * file gets beyond hello, no file of another program is removed, and the token and socket of a daemon that still answers
 * are left alone.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { chmod, lstat, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { userInfo } from 'node:os'
import { dirname } from 'node:path'
import {
  asError,
  Channel,
  type Clock,
  controlProtocol,
  decodeValue,
  type Handlers,
  limits,
  MooringError,
  parseFrame,
  rpcFrames,
  serveCalls,
  toWireError,
  validate,
} from '../../protocol/index.ts'
import type { Logger } from '../log.ts'
import { SocketStream } from './socket-stream.ts'

/** What every control handler gets besides its signal: nothing, since whoever holds the token is the operator. */
export type ControlContext = object
/** One handler for each control operation; hello is answered here. */
export type ControlHandlers = Omit<Handlers<typeof controlProtocol, ControlContext>, 'session.hello'>

export interface ControlServerInit {
  /** Path of the socket, or a Windows pipe name. */
  readonly socket: string
  readonly runtimeDir: string
  readonly tokenFile: string
  /** Said in the answer to hello. */
  readonly version: string
  readonly clock: Clock
  readonly handlers: ControlHandlers
  readonly log: Logger
  random(bytes: number): Uint8Array
  /** Runs synchronous work with umask 0177. The umask belongs to the process, so only its owner may set it. */
  withUmask<T>(run: () => T): T
}

export interface ControlServer {
  /** @throws `state-in-use` when a daemon answers on the socket, `config-invalid` when the directory is not private */
  start(): Promise<void>
  /** Ends all connections after what was answered has been sent. Idempotent. */
  stop(): Promise<void>
}

/** Open commands of one operator: watches and waits included. */
const maxConnections = 64
const tokenBytes = 32
/** Each connection is given this long to take its last answer when the server stops. */
const farewellMs = 500

export const createControlServer = (init: ControlServerInit): ControlServer => new SocketControlServer(init)

class SocketControlServer implements ControlServer {
  readonly #init: ControlServerInit
  readonly #channels = new Set<Channel>()
  #server: Server | undefined
  #token = ''
  #stopping: Promise<void> | undefined

  constructor(init: ControlServerInit) {
    this.#init = init
  }

  async start(): Promise<void> {
    const { socket, runtimeDir, tokenFile } = this.#init
    const isPipe = isPipeName(socket)
    await makePrivate(runtimeDir)
    if (!isPipe && dirname(socket) !== runtimeDir) await makePrivate(dirname(socket))
    // Before the token is replaced: a daemon that still answers keeps its own.
    await this.#clearStale(isPipe)
    this.#token = Buffer.from(this.#init.random(tokenBytes)).toString('hex')
    await this.#writeToken(tokenFile)
    const server = createServer({ allowHalfOpen: true }, (connection) => void this.#serve(connection))
    this.#server = server
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        // A path is bound inside `listen`, so the mode is right from the first moment on.
        this.#init.withUmask(() => server.listen(socket, resolve))
      })
      if (!isPipe) await chmod(socket, 0o600)
    } catch (cause) {
      await this.stop()
      if (errorCodeOf(cause) === 'EADDRINUSE') throw new MooringError('state-in-use', { detail: 'the control socket' })
      throw cause
    }
    server.on('error', (error) => this.#init.log.error({ error: error.message }, 'the control socket failed'))
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const server = this.#server
    const closed = server?.listening ? new Promise<void>((resolve) => server.close(() => resolve())) : undefined
    // The call that asked for the stop runs at this moment: its answer is written in this turn, and must go out first.
    await new Promise((resolve) => setImmediate(resolve))
    await Promise.all([...this.#channels].map((channel) => channel.close(farewellMs)))
    await closed
    await this.#removeToken()
  }

  /** Removes a socket that nobody answers on. Anything else at that path is somebody's and stays. */
  async #clearStale(isPipe: boolean): Promise<void> {
    const { socket } = this.#init
    if (!isPipe) {
      const found = await lstat(socket).catch(ignoreMissing)
      if (found === undefined) return
      if (!found.isSocket()) throw new MooringError('config-invalid', { detail: `${socket} is not a socket` })
    }
    if (await answers(socket)) throw new MooringError('state-in-use', { detail: 'the control socket' })
    if (!isPipe) await rm(socket, { force: true })
  }

  /** A new file with its final mode, then a rename: at no moment is a readable or half-written token there. */
  async #writeToken(tokenFile: string): Promise<void> {
    const fresh = `${tokenFile}.${Buffer.from(this.#init.random(8)).toString('hex')}`
    const file = await open(fresh, 'wx', 0o600)
    try {
      await file.writeFile(this.#token)
    } finally {
      await file.close()
    }
    await rename(fresh, tokenFile)
  }

  /** Only our own: a newer daemon may have written another in the meantime. */
  async #removeToken(): Promise<void> {
    const { tokenFile } = this.#init
    const found = await readFile(tokenFile, 'utf8').catch(ignoreMissing)
    if (found !== undefined && found === this.#token) await rm(tokenFile, { force: true })
  }

  async #serve(connection: Socket): Promise<void> {
    const { clock, handlers, log, version } = this.#init
    const stream = new SocketStream(connection)
    if (this.#stopping !== undefined) {
      connection.destroy()
      return
    }
    const channel = new Channel(stream, { clock, maxFrameBytes: limits.maxLobbyFrameBytes })
    const isOneTooMany = this.#channels.size >= maxConnections
    this.#channels.add(channel)
    try {
      if (isOneTooMany) throw new MooringError('too-many-calls', { detail: `${maxConnections} control connections` })
      await this.#hello(channel)
      channel.maxFrameBytes = limits.maxFrameBytes
      await serveCalls({
        protocol: controlProtocol,
        handlers: { ...handlers, 'session.hello': ({ token }) => this.#check(token) ?? { version } },
        channel,
        context: {},
        clock,
        onInternal: (error, op) => log.error({ error: error.message, stack: error.stack, op }, 'a control call failed'),
      })
    } catch (error) {
      const code = error instanceof MooringError ? error.code : 'internal'
      // Someone who connects and leaves again only wanted to know whether a daemon answers.
      if (code !== 'connection-lost') log.warn({ code }, 'a control connection was refused')
      refuse(channel, error)
    } finally {
      await channel.close(farewellMs)
      this.#channels.delete(channel)
    }
  }

  /** The first call, and nothing else before it. @throws `control-denied`, `malformed`, `timeout`, `hello-required` */
  async #hello(channel: Channel): Promise<void> {
    const cancel = this.#init.clock.after(limits.helloTimeoutMs, () => channel.abort(new MooringError('timeout')))
    try {
      const bytes = await channel.next()
      if (bytes === undefined) throw new MooringError('connection-lost')
      const frame = parseFrame(rpcFrames.dialler, decodeValue(bytes))
      if (frame.t !== 'call' || frame.op !== 'session.hello') throw new MooringError('hello-required')
      const { token } = validate(controlProtocol.ops['session.hello'].input, frame.input)
      this.#check(token)
      channel.send({ t: 'result', id: frame.id, output: { version: this.#init.version } })
    } finally {
      cancel()
    }
  }

  /** Compares digests: equally long whatever was sent, in a time that tells nothing. @throws `control-denied` */
  #check(token: string): undefined {
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
    if (!timingSafeEqual(digest(token), digest(this.#token))) throw new MooringError('control-denied')
  }
}

/** Answers for the stream as a whole, which then ends. */
function refuse(channel: Channel, error: unknown): void {
  if (channel.ended.aborted) return
  channel.send({ t: 'error', id: 0, ...toWireError(error) })
}

export const isPipeName = (socket: string): boolean => socket.startsWith('\\\\.\\pipe\\')

/**
 * Whether the directory is a real one, of this user, that nobody else may look into.
 *
 * @throws `config-invalid` when it is not; a directory that does not exist is left to the caller: `ENOENT` passes through
 */
export async function checkPrivate(directory: string): Promise<void> {
  const found = await lstat(directory)
  const { uid } = userInfo()
  // In a shared temp folder someone else can make the directory first: then nothing in it may be trusted.
  if (!found.isDirectory() || (uid !== -1 && found.uid !== uid)) {
    throw new MooringError('config-invalid', { detail: `${directory} is not a directory of this user` })
  }
  // Windows reports no such bits; there the profile folder keeps others out.
  if (uid !== -1 && (found.mode & 0o077) !== 0) {
    throw new MooringError('config-invalid', { detail: `${directory} is open to other users; chmod 700 it` })
  }
}

async function makePrivate(directory: string): Promise<void> {
  const made = await mkdir(directory, { recursive: true, mode: 0o700 })
  // An umask can only have taken bits away, except where a default ACL adds some.
  if (made !== undefined) await chmod(directory, 0o700)
  await checkPrivate(directory)
}

/** Whether something listens. A refused connection on a socket file is what a killed daemon leaves. */
function answers(socket: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createConnection(socket)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', (error) => {
      const code = errorCodeOf(error)
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false)
      // The queue of whoever listens is full.
      else if (code === 'EAGAIN' || code === 'EBUSY') resolve(true)
      else reject(asError(error))
    })
  })
}

const errorCodeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)

function ignoreMissing(error: unknown): undefined {
  if (errorCodeOf(error) !== 'ENOENT') throw error
}
