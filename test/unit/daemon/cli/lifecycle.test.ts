import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type LaunchOptions, launchWith } from '../../../../daemon/cli/launch.ts'
import { isProcessAlive } from '../../../../daemon/cli/process-alive.ts'
import { keyOf } from '../../../../daemon/cli/sanitize.ts'
import { systemClock } from '../../../../daemon/system-clock.ts'
import { MooringError, placesFrom } from '../../../../protocol/index.ts'
import { createWorld, peerA, type RunOptions } from './control-world.ts'

type RunDaemon = NonNullable<RunOptions['runDaemon']>

const neverLaunch = async (): Promise<void> => {
  throw new Error('a daemon was started')
}

describe('moor up', () => {
  it('starts the daemon, then shows its card and the next step', async () => {
    await using world = await createWorld({ isStarted: false })
    const ran = await world.moor(['up'], { launch: () => world.server.start() })
    expect(ran.code).toBe(0)
    expect(ran.stdout).toContain(keyOf(peerA))
    expect(ran.stdout).toContain(peerA)
    expect(ran.stdout).toContain('/ip4/127.0.0.1/udp/4410/quic-v1')
    expect(ran.stdout).toContain('/home/ann/.local/state/mooring')
    expect(ran.stderr).toContain('next: moor requests')
    expect(ran.stdout).toMatch(/^mooring 0\.1\.0 {2}first start: new identity\n/)
  })

  it('says that the identity is new only when it made it', async () => {
    await using world = await createWorld({ isStarted: false })
    world.answers.status = { ...world.answers.status, firstStart: false }
    const started = await world.moor(['up'], { launch: () => world.server.start() })
    expect(started.stdout).toMatch(/^mooring 0\.1\.0\n/)
    world.answers.status = { ...world.answers.status, firstStart: true }
    const found = await world.moor(['up'], { launch: neverLaunch })
    expect(found.stdout).toMatch(/^mooring 0\.1\.0 {2}already running\n/)
    for (const command of ['status', 'wait']) {
      expect((await world.moor([command])).stdout).toMatch(/^mooring 0\.1\.0\n/)
    }
  })

  it('tells an empty daemon’s operator to start a plugin first', async () => {
    await using world = await createWorld()
    world.answers.status = { ...world.answers.status, requests: 0, plugins: { approved: 0, live: 0 } }
    const { stderr } = await world.moor(['up'])
    expect(stderr).toMatch(/next: start a plugin, then moor requests .*moor invite/)
  })

  it('passes warnings about the configuration on', async () => {
    await using world = await createWorld({ isStarted: false })
    const ran = await world.moor(['up'], {
      launch: async ({ onWarning }) => {
        await world.server.start()
        onWarning?.('unknown key listen.prot\u001b[2J')
      },
    })
    expect(ran).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('warning: unknown key listen.prot\\u{1b}[2J\n'),
    })
  })

  it('shows the same card when it runs already, and starts nothing', async () => {
    await using world = await createWorld()
    const ran = await world.moor(['up', '--json'], { launch: neverLaunch })
    expect(ran.code).toBe(0)
    expect(JSON.parse(ran.stdout)).toMatchObject({ kind: 'up', data: { started: false, daemon: { peer: peerA } } })
  })

  it('ends with what the daemon reports', async () => {
    await using world = await createWorld({ isStarted: false })
    const launch = async (): Promise<void> => {
      throw new MooringError('address-in-use', { detail: 'port 4410' })
    }
    const ran = await world.moor(['up'], { launch })
    expect([ran.code, ran.stderr]).toEqual([6, expect.stringContaining('MOORING_LISTEN_PORT')])
  })

  it('points to the log when the daemon ended without a word', async () => {
    await using world = await createWorld({ isStarted: false })
    const launch = async (): Promise<void> => {
      throw new MooringError('internal')
    }
    expect((await world.moor(['up'], { launch })).stderr).toContain('next: moor logs --level warn')
  })

  it('shows the card of the other one when two start at once', async () => {
    await using world = await createWorld({ isStarted: false })
    const launch = async (): Promise<void> => {
      // The winner has the lock and is not listening yet.
      setImmediate(() => void world.server.start())
      throw new MooringError('state-in-use')
    }
    const ran = await world.moor(['up', '--json'], { launch })
    expect(ran.code).toBe(0)
    expect(JSON.parse(ran.stdout)).toMatchObject({ data: { started: false, daemon: { peer: peerA } } })
  })

  it('runs in the foreground and ends with the daemon’s exit code', async () => {
    await using world = await createWorld({ isStarted: false })
    expect((await world.moor(['up', '--foreground'], { runDaemon: async () => 6 })).code).toBe(6)
  })

  it('refuses the foreground when one runs already, in one sentence', async () => {
    await using world = await createWorld()
    const ran = await world.moor(['up', '--foreground'], { runDaemon: async () => 0 })
    expect(ran).toEqual({
      code: 6,
      stdout: '',
      stderr: 'error state-in-use: Another daemon uses this state directory. (pid 4242)\nnext: moor down\n',
    })
  })

  it('tells a failure of the daemon in the foreground once, with a next step', async () => {
    await using world = await createWorld({ isStarted: false })
    const runDaemon = async (): Promise<number> => {
      throw new MooringError('address-in-use', { detail: 'port 4410' })
    }
    const ran = await world.moor(['up', '--foreground', '--json'], { runDaemon })
    expect(ran.code).toBe(6)
    expect(JSON.parse(ran.stdout)).toMatchObject({ kind: 'error', data: { code: 'address-in-use' } })
  })

  it('shows the log of the foreground to a person on a terminal, and leaves it as it is elsewhere', async () => {
    await using world = await createWorld({ isStarted: false })
    const error = { type: 'MooringError', code: 'address-in-use', message: 'The port is taken.', stack: 'at secret' }
    const written = { level: 'error', time: '2025-01-01T00:00:00.000Z', sub: 'daemon', msg: 'no start', err: error }
    const seen: boolean[] = []
    const runDaemon: RunDaemon = async ({ writeLog, onReady }) => {
      seen.push(writeLog !== undefined)
      writeLog?.(`${JSON.stringify(written)}\n`)
      onReady('0.1.0')
      return 0
    }
    const onTerminal = await world.moor(['up', '--foreground'], { runDaemon, tty: true, call: 'npx moor' })
    expect(onTerminal.stderr).toBe(
      [
        '2025-01-01T00:00:00.000Z  error  daemon  no start  err=The port is taken.',
        'mooring 0.1.0 runs until Ctrl-C; in another terminal: npx moor status',
        '',
      ].join('\n'),
    )
    await world.moor(['up', '--foreground'], { runDaemon })
    await world.moor(['up', '--foreground', '--json'], { runDaemon, tty: true })
    expect(seen).toEqual([true, false, false])
  })
})

describe('moor down', () => {
  it('waits until the process is gone', async () => {
    await using world = await createWorld()
    world.answers.status = { ...world.answers.status, pid: 2 ** 22 + 1 }
    let looks = 0
    const ran = await world.moor(['down', '--json'], { canSignal: () => ++looks < 3 })
    expect(JSON.parse(ran.stdout).data).toEqual({ stopped: true, pid: 2 ** 22 + 1 })
    expect(looks).toBe(3)
    expect(world.calls).toEqual([{ op: 'daemon.stop', input: {} }])
  })

  it('does nothing when none runs', async () => {
    await using world = await createWorld({ isStarted: false })
    const ran = await world.moor(['down', '--json'])
    expect([ran.code, JSON.parse(ran.stdout).data]).toEqual([0, { stopped: false }])
  })

  it('gives up after the time that was given', async () => {
    await using world = await createWorld()
    world.answers.status = { ...world.answers.status, pid: 2 ** 22 + 1 }
    expect((await world.moor(['down', '--timeout', '40ms'], { canSignal: () => true })).code).toBe(124)
  })

  it('takes a connection that ends while stopping for what it is', async () => {
    await using world = await createWorld({
      handlers: {
        'daemon.stop': () => {
          throw new MooringError('daemon-stopping')
        },
      },
    })
    expect((await world.moor(['down'])).code).toBe(0)
  })
})

describe('moor wait', () => {
  it('waits for a daemon that comes later', async () => {
    await using world = await createWorld({ isStarted: false })
    const waiting = world.moor(['wait', '--json'])
    await world.server.start()
    expect((await waiting).code).toBe(0)
  })

  it('ends with 124 after its time, and with 130 at Ctrl-C', async () => {
    await using world = await createWorld({ isStarted: false })
    const ran = await world.moor(['wait', '--plugin', 'weather', '--timeout', '1ms'])
    expect([ran.code, ran.stderr]).toEqual([124, expect.stringContaining('no daemon answered within 1ms')])
    expect(ran.stderr).toContain('next: moor up\n')
    const interrupt = new AbortController()
    const waiting = world.moor(['wait'], { signal: interrupt.signal })
    interrupt.abort()
    expect((await waiting).code).toBe(130)
  })

  it('waits for a plugin, and gives up when it does not come', async () => {
    await using world = await createWorld({ handlers: { 'peer.wait': () => new Promise(() => {}) } })
    const ran = await world.moor(['wait', '--plugin', 'weather', '--timeout', '20ms'])
    expect([ran.code, ran.stderr]).toEqual([124, expect.stringContaining('weather did not connect within 20ms')])
    expect(ran.stderr).toContain('next: moor peers\n')
  })
})

describe('starting in the background', () => {
  /** A daemon of a few lines, in a process of its own. */
  async function script(body: string) {
    const home = await mkdtemp(join(tmpdir(), 'moor-launch-'))
    const pidFile = join(home, 'pid')
    const entry = join(home, 'main.mjs')
    await writeFile(
      entry,
      `import { writeFileSync } from 'node:fs'\nwriteFileSync(${JSON.stringify(pidFile)}, String(process.pid))\n${body}\n`,
    )
    const pid = async (): Promise<number> => Number(await readFile(pidFile, 'utf8').catch(() => '0'))
    const isAlive = async (): Promise<boolean> => {
      const id = await pid()
      // Zero would mean every process of this group.
      return id > 0 && isProcessAlive(id, canSignal, process.platform)
    }
    onTestFinished(async () => {
      const id = await pid()
      if (id > 0) endProcess(id)
      await rm(home, { recursive: true, force: true })
    })
    const interrupt = new AbortController()
    const places = placesFrom({ env: { MOORING_HOME: home }, platform: process.platform, homedir: home })
    const options: LaunchOptions = {
      places,
      env: { PATH: process.env.PATH },
      clock: systemClock,
      signal: interrupt.signal,
      timeoutMs: 20_000,
    }
    return {
      run: (more: Partial<LaunchOptions> = {}) => launchWith(process.execPath, entry)({ ...options, ...more }),
      pid,
      isAlive,
      interrupt,
      places,
    }
  }
  /** It may have ended by itself a moment ago. */
  const endProcess = (pid: number): void => {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  const canSignal = (pid: number): boolean => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }
  const stay = 'setInterval(() => {}, 60_000)'

  it('returns once the daemon says that it is ready, and leaves it running', async () => {
    const daemon = await script(`console.log('to the log'); process.send({ kind: 'ready' }); ${stay}`)
    await daemon.run()
    expect(await daemon.isAlive()).toBe(true)
    await expect.poll(() => readFile(daemon.places.logFile, 'utf8')).toBe('to the log\n')
  })

  it('passes on what the daemon warns of', async () => {
    const daemon = await script(`process.send({ kind: 'ready', warnings: ['one', 'two'] }); ${stay}`)
    const warnings: string[] = []
    await daemon.run({ onWarning: (text) => warnings.push(text) })
    expect(warnings).toEqual(['one', 'two'])
  })

  it('fails with the code that the daemon reports', async () => {
    const known = await script(
      `process.send({ kind: 'failed', error: { code: 'address-in-use', detail: 'port 1' } }, () => process.exit(6))`,
    )
    await expect(known.run()).rejects.toMatchObject({ code: 'address-in-use', detail: 'port 1' })
    const unknown = await script(
      `process.send({ kind: 'failed', error: { code: 'from-the-future' } }, () => process.exit(1))`,
    )
    await expect(unknown.run()).rejects.toMatchObject({ code: 'internal', detail: 'from-the-future' })
    const nonsense = await script(`process.send('hello', () => process.exit(1))`)
    await expect(nonsense.run()).rejects.toMatchObject({ code: 'internal' })
  })

  it('fails when the daemon ends without a word', async () => {
    const daemon = await script('process.exit(9)')
    await expect(daemon.run()).rejects.toMatchObject({
      code: 'internal',
      detail: 'the daemon ended with 9 before it was ready',
    })
  })

  it('leaves nothing running when the time is up or Ctrl-C comes', async () => {
    const late = await script(stay)
    let giveUp = (): void => {}
    const clock = {
      ...systemClock,
      after: (_ms: number, run: () => void) => {
        giveUp = run
        return () => {}
      },
    }
    const starting = late.run({ clock })
    const refused = expect(starting).rejects.toMatchObject({ code: 'timeout' })
    await expect.poll(late.pid).toBeGreaterThan(0)
    giveUp()
    await refused
    await expect.poll(late.isAlive).toBe(false)

    const interrupted = await script(stay)
    const cancelled = expect(interrupted.run()).rejects.toMatchObject({ code: 'cancelled' })
    await expect.poll(interrupted.pid).toBeGreaterThan(0)
    interrupted.interrupt.abort()
    await cancelled
    await expect.poll(interrupted.isAlive).toBe(false)
  })

  it.runIf(process.platform === 'linux')('counts a process that ended and was not collected as gone', async () => {
    const parent = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] })
    onTestFinished(() => void parent.kill('SIGKILL'))
    const [output] = (await once(parent.stdout, 'data')) as [Buffer]
    const pid = Number(output.toString())
    await expect.poll(() => isProcessAlive(pid, canSignal, 'linux')).toBe(false)
    expect(canSignal(pid)).toBe(true)
    expect(await isProcessAlive(process.pid, canSignal, 'linux')).toBe(true)
  })
})
