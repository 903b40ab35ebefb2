import { chmod, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connectControl } from '../../../../daemon/cli/control-client.ts'
import { createControlServer } from '../../../../daemon/net/control-socket.ts'
import { SocketStream } from '../../../../daemon/net/socket-stream.ts'
import { systemClock } from '../../../../daemon/system-clock.ts'
import { Channel, type Clock, decodeValue, limits, type Places } from '../../../../protocol/index.ts'
import { answers, commandLines, createWorld, fakeHandlers, localCommands, silent } from './control-world.ts'

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777
const isThere = async (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

async function rawSocket(places: Places): Promise<Socket> {
  const socket = createConnection({ path: places.socket, allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  await new Promise((resolve) => socket.once('connect', resolve))
  return socket
}

const rawChannel = async (places: Places): Promise<Channel> =>
  new Channel(new SocketStream(await rawSocket(places)), { clock: systemClock })

/** What the server says before it ends the connection. */
async function lastWord(channel: Channel): Promise<unknown> {
  const bytes = await channel.next()
  if (bytes !== undefined) expect(await channel.next()).toBeUndefined()
  return bytes === undefined ? undefined : decodeValue(bytes)
}

const hello = async (channel: Channel, places: Places): Promise<unknown> => {
  const token = await readFile(places.tokenFile, 'utf8')
  channel.send({ t: 'call', id: 1, op: 'session.hello', input: { token } })
  return channel.nextValue()
}

const connectTo = (places: Places) =>
  connectControl({ places, clock: systemClock, signal: new AbortController().signal })

describe('control socket on disk', () => {
  it('is private: directory 0700, socket and token 0600, token of 32 random bytes', async () => {
    await using world = await createWorld()
    expect(await modeOf(world.places.runtimeDir)).toBe(0o700)
    expect(await modeOf(world.places.socket)).toBe(0o600)
    expect(await modeOf(world.places.tokenFile)).toBe(0o600)
    expect(await readFile(world.places.tokenFile, 'utf8')).toMatch(/^[0-9a-f]{64}$/)
  })

  it('is made under the umask, so that at no moment another user can connect', async () => {
    await using world = await createWorld({ isStarted: false })
    let wasMadeInside = false
    const server = createControlServer({
      ...world.places,
      version: '0.1.0',
      random: (bytes) => new Uint8Array(bytes),
      withUmask: (run) => {
        const before = process.umask(0o177)
        try {
          return run()
        } finally {
          process.umask(before)
          wasMadeInside = true
        }
      },
      clock: systemClock,
      handlers: fakeHandlers(answers(), []),
      log: silent,
    })
    await server.start()
    expect(wasMadeInside).toBe(true)
    expect(await modeOf(world.places.socket)).toBe(0o600)
    await server.stop()
  })

  it('leaves nothing behind when it stops, however often it is told', async () => {
    await using world = await createWorld()
    await Promise.all([world.server.stop(), world.server.stop()])
    expect(await isThere(world.places.socket)).toBe(false)
    expect(await isThere(world.places.tokenFile)).toBe(false)
  })

  it('does not take the token of a newer daemon away', async () => {
    await using world = await createWorld()
    await writeFile(world.places.tokenFile, 'of somebody else')
    await world.server.stop()
    expect(await readFile(world.places.tokenFile, 'utf8')).toBe('of somebody else')
  })

  it('takes the place of a socket that nobody answers on', async () => {
    await using world = await createWorld({ isStarted: false })
    const dead = world.newServer()
    await dead.start()
    // As after a kill: the file is there, the listener is not.
    await rename(world.places.socket, `${world.places.socket}.kept`)
    await dead.stop()
    await rename(`${world.places.socket}.kept`, world.places.socket)
    await world.server.start()
    expect((await world.moor(['status'])).code).toBe(0)
  })

  it('refuses to start beside a daemon that answers, and leaves its token alone', async () => {
    await using world = await createWorld()
    const token = await readFile(world.places.tokenFile, 'utf8')
    await expect(world.newServer().start()).rejects.toMatchObject({ code: 'state-in-use' })
    expect(await readFile(world.places.tokenFile, 'utf8')).toBe(token)
    expect((await world.moor(['status'])).code).toBe(0)
  })

  it('never removes a file that is no socket', async () => {
    await using world = await createWorld({ isStarted: false })
    await mkdir(world.places.runtimeDir, { mode: 0o700 })
    await writeFile(world.places.socket, 'precious')
    await expect(world.server.start()).rejects.toMatchObject({ code: 'config-invalid' })
    expect(await readFile(world.places.socket, 'utf8')).toBe('precious')
  })

  it('refuses a directory that others can look into, or that is a link', async () => {
    await using world = await createWorld({ isStarted: false })
    const { runtimeDir } = world.places
    await mkdir(runtimeDir)
    await chmod(runtimeDir, 0o755)
    await expect(world.server.start()).rejects.toMatchObject({ code: 'config-invalid' })
    await rm(runtimeDir, { recursive: true })
    await mkdir(`${runtimeDir}.real`, { mode: 0o700 })
    await symlink(`${runtimeDir}.real`, runtimeDir)
    await expect(world.newServer().start()).rejects.toMatchObject({ code: 'config-invalid' })
  })
})

describe('control connections', () => {
  it('let no command through with a wrong token', async () => {
    await using world = await createWorld()
    await writeFile(world.places.tokenFile, 'f'.repeat(64))
    for (const [name, argv] of Object.entries(commandLines)) {
      if (localCommands.includes(name)) continue
      const ran = await world.moor(argv)
      expect(ran.code, name).toBe(7)
      expect(ran.stderr, name).toContain('error control-denied')
    }
    expect(world.calls).toEqual([])
  })

  it('end after a wrong token, and after anything that is not hello', async () => {
    await using world = await createWorld()
    const cases = [
      [{ t: 'call', id: 1, op: 'session.hello', input: { token: '0'.repeat(64) } }, 'control-denied'],
      [{ t: 'call', id: 1, op: 'session.hello', input: { token: '' } }, 'control-denied'],
      [{ t: 'call', id: 1, op: 'session.hello', input: {} }, 'invalid-input'],
      [{ t: 'call', id: 1, op: 'daemon.stop', input: {} }, 'hello-required'],
      [{ t: 'beat' }, 'hello-required'],
      [{ t: 'nonsense' }, 'unknown-frame'],
      [{ t: 'call', id: 1, op: 'daemon.stop', input: {}, [`k${'😀'.repeat(300)}`]: 1 }, 'malformed'],
    ] as const
    for (const [frame, code] of cases) {
      const channel = await rawChannel(world.places)
      channel.send(frame)
      expect(await lastWord(channel)).toMatchObject({ t: 'error', code })
    }
    expect(world.calls).toEqual([])
    expect((await world.moor(['status'])).code).toBe(0)
  })

  it('survive garbage of every kind', async () => {
    await using world = await createWorld()
    const garbage = [
      Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
      Buffer.alloc(64, 0xff),
      Buffer.from([0]),
      Buffer.from([0x80, 0x00]),
      Buffer.from([0xff, 0xff, 0xff, 0x7f]),
      Buffer.alloc(100_000, 0x41),
    ]
    for (const bytes of garbage) {
      const socket = await rawSocket(world.places)
      const ended = new Promise((resolve) => socket.once('close', resolve))
      socket.on('error', () => {})
      socket.on('end', () => socket.end())
      socket.resume()
      socket.end(bytes)
      await ended
    }
    expect((await world.moor(['status'])).code).toBe(0)
    expect(world.calls).toEqual([])
  })

  it('take no frame above the limit of strangers before hello', async () => {
    await using world = await createWorld()
    const channel = await rawChannel(world.places)
    channel.send({ t: 'call', id: 1, op: 'session.hello', input: { token: 'x'.repeat(limits.maxLobbyFrameBytes) } })
    expect(await lastWord(channel)).toMatchObject({ t: 'error', code: 'frame-too-large' })
  })

  it('end when hello does not come in time', async () => {
    const timers: { ms: number; run: () => void }[] = []
    const clock: Clock = {
      ...systemClock,
      after: (ms, run) => {
        const timer = { ms, run }
        timers.push(timer)
        return () => void timers.splice(timers.indexOf(timer), 1)
      },
    }
    await using world = await createWorld({ clock })
    const channel = await rawChannel(world.places)
    const waiting = channel.next().catch(() => undefined)
    await expect.poll(() => timers.length).toBe(1)
    expect(timers[0]?.ms).toBe(limits.helloTimeoutMs)
    timers[0]?.run()
    expect(await waiting).toBeUndefined()
  })

  it('tell whoever waits that a small rest has been taken too', async () => {
    await using world = await createWorld()
    const channel = await rawChannel(world.places)
    await hello(channel, world.places)
    channel.send({ t: 'call', id: 2, op: 'block.list', input: {} })
    await channel.drained()
    expect(channel.unsentBytes).toBe(0)
    expect(await channel.nextValue()).toMatchObject({ t: 'result', id: 2 })
    channel.abort(new Error('enough'))
    expect(() => channel.send({ t: 'beat' })).toThrow(expect.objectContaining({ code: 'connection-lost' }))
  })

  it('are bounded in number, and room comes back', async () => {
    await using world = await createWorld()
    const channels: Channel[] = []
    for (let i = 0; i < 64; i++) {
      const channel = await rawChannel(world.places)
      expect(await hello(channel, world.places)).toMatchObject({ t: 'result' })
      channels.push(channel)
    }
    const ran = await world.moor(['status'])
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining('error too-many-calls')])
    for (const channel of channels) channel.abort(new Error('enough'))
    await expect.poll(async () => (await world.moor(['status'])).code).toBe(0)
  })

  it('carry a question and a watch at once, each begun with hello', async () => {
    let release = (): void => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const changes = answers().changes
    const watch = async function* () {
      yield* changes
      await released
    }
    await using world = await createWorld({ handlers: { 'block.watch': watch } })
    const { client, close } = await connectTo(world.places)
    const items = client.block.watch({ address: world.answers.block.address })[Symbol.asyncIterator]()
    expect((await items.next()).value).toEqual(changes[0])
    expect((await client.daemon.status({})).pid).toBe(4242)
    release()
    expect((await items.next()).done).toBe(true)
    await close()
  })

  it('take the answer to stop along before they end', async () => {
    let stopped: Promise<void> | undefined
    await using world = await createWorld({
      handlers: {
        'daemon.stop': () => {
          stopped = world.server.stop()
          return {}
        },
      },
    })
    const { client, close } = await connectTo(world.places)
    await expect(client.daemon.stop({})).resolves.toEqual({})
    await stopped
    await close()
  })
})

describe('the commands’ end', () => {
  it('says that no daemon answers, and what to do', async () => {
    await using world = await createWorld({ isStarted: false })
    const ran = await world.moor(['status'])
    expect(ran).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('next: moor up') })
  })

  it('sends no token to a socket in a directory that others can write to', async () => {
    await using world = await createWorld()
    await chmod(world.places.runtimeDir, 0o777)
    const ran = await world.moor(['status'])
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining('error config-invalid')])
  })

  it('does not wait for ever for something that listens and says nothing', async () => {
    await using world = await createWorld({ isStarted: false })
    await mkdir(world.places.runtimeDir, { mode: 0o700 })
    const { createServer } = await import('node:net')
    const mute = createServer(() => {})
    await new Promise<void>((resolve) => mute.listen(world.places.socket, resolve))
    onTestFinished(() => void mute.close())
    await writeFile(world.places.tokenFile, 'x')
    expect((await world.moor(['status', '--timeout', '20ms'])).code).toBe(124)
  })
})
