/** What the smaller commands tell: the exact sentence and the exact next command. */
import { describe, expect, it } from 'vitest'
import {
  controlProtocol,
  errorCodes,
  grantTable,
  MooringError,
  parseTicket,
  pluginProtocols,
} from '../../../../protocol/index.ts'
import { createWorld, peerA } from './control-world.ts'

describe('moor explain', () => {
  it('lists every code with its sentence', async () => {
    await using world = await createWorld({ isStarted: false })
    const { code, stdout } = await world.moor(['explain'])
    expect([
      code,
      stdout
        .split('\n')
        .flatMap((line) => line.split(' ', 1))
        .filter((word) => word !== ''),
    ]).toEqual([0, errorCodes])
    expect(stdout).toMatch(/^daemon-unreachable +No daemon answers\.$/m)
    const lines = (await world.moor(['explain', '--json'])).stdout.trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line).data.code)).toEqual(errorCodes)
  })

  it('suggests a code that is near, and none that is not', async () => {
    await using world = await createWorld({ isStarted: false })
    expect((await world.moor(['explain', 'daemon-unreachabel'])).stderr).toContain(
      'next: moor explain daemon-unreachable\n',
    )
    expect(await world.moor(['explain', 'foo'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/next: moor explain\n$/),
    })
  })

  it('says that the operator may have given less, and how long a denied plugin waits', async () => {
    await using world = await createWorld({ isStarted: false })
    expect((await world.moor(['explain', 'grant-missing'])).stdout).toContain('the operator gave less')
    expect((await world.moor(['explain', 'approval-denied'])).stdout).toContain('after 1 minute')
  })
})

describe('a grant that is none', () => {
  it.each([
    ['foo', `areas are ${Object.keys(grantTable).join(', ')}`],
    ['blocks:raed:space:home/*', `the rights of blocks are ${Object.keys(grantTable.blocks).join(', ')}`],
    ['!blocks', `the rights of blocks are ${Object.keys(grantTable.blocks).join(', ')}`],
    ['blocks:read', 'blocks:read needs a pattern'],
    ['ports:provide:all', 'ports:provide takes no pattern'],
    ['__proto__:x', 'areas are'],
    ['foo\u001b[2J', 'areas are'],
  ])('is named with what there is instead: %j', async (text, reason) => {
    await using world = await createWorld()
    for (const argv of [['invite'], ['narrow', 'weather'], ['approve', 'K7WQ2M', '--yes']]) {
      const ran = await world.moor([...argv, '--grant', text])
      expect(ran.code).toBe(2)
      expect(ran.stderr).toContain(`"${text.replace('\u001b', '\\u{1b}')}": `)
      expect(ran.stderr).toContain(reason)
      expect(ran.stderr).toContain('next: moor grants\n')
    }
    expect(world.calls).toEqual([])
  })
})

describe('moor grants', () => {
  it('lists every right with its meaning, and how its pattern is written', async () => {
    await using world = await createWorld({ isStarted: false })
    const { stdout } = await world.moor(['grants'])
    for (const [area, rights] of Object.entries(grantTable)) {
      for (const right of Object.keys(rights)) expect(stdout).toMatch(new RegExp(`^${area}:${right}[: ]`, 'm'))
    }
    expect(stdout).toMatch(/^blocks:read:BLOCK +read the content and the history of BLOCK$/m)
    expect(stdout).toMatch(/^ +BLOCK +space:ID\/LABEL/m)
    expect(stdout).toMatch(/^ports:provide .*without effect in this version/m)
  })
})

describe('moor invite', () => {
  it('refuses a time without a unit, and rounds the one it shows', async () => {
    await using world = await createWorld({
      handlers: {
        'invite.create': ({ grants, ttlMs }) => ({ ticket: 'moor1q', grants, expiresAtMs: Date.now() + ttlMs - 1 }),
      },
    })
    const line = ['invite', '--grant', 'blocks:read:space:home/*']
    expect((await world.moor(line)).stderr).toContain('works once, for 10m;')
    const refused = await world.moor([...line, '--expires', '5'])
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('like 30s, 10m, 1h30m')])
  })
})

describe('moor ticket', () => {
  it('prints the public ticket, which has no secret', async () => {
    await using world = await createWorld()
    const { code, stdout, stderr } = await world.moor(['ticket'])
    expect([code, parseTicket(stdout)]).toEqual([0, { daemon: peerA, addresses: ['/ip4/127.0.0.1/udp/4410/quic-v1'] }])
    expect(stderr).toContain('on this machine only')
  })

  it('says nothing of this machine when others can reach it', async () => {
    await using world = await createWorld()
    const addresses = ['/ip4/127.0.0.1/udp/4410/quic-v1', '/ip4/192.0.2.1/udp/4410/quic-v1']
    world.answers.status = { ...world.answers.status, addresses }
    expect((await world.moor(['ticket'])).stderr).not.toContain('on this machine only')
  })

  it('fails when there is nothing to dial', async () => {
    await using world = await createWorld()
    world.answers.status = { ...world.answers.status, addresses: ['nowhere'] }
    expect(await world.moor(['ticket'])).toMatchObject({ code: 6, stdout: '' })
  })
})

describe('moor revoke and narrow', () => {
  it('name the state of a plugin that is not approved', async () => {
    const refuse = (): never => {
      throw new MooringError('wrong-state', { detail: 'it is revoked' })
    }
    await using world = await createWorld({ handlers: { 'peer.revoke': refuse, 'peer.narrow': refuse } })
    for (const argv of [
      ['revoke', 'weather'],
      ['narrow', 'weather', '--grant', 'ports:provide'],
    ]) {
      const ran = await world.moor(argv)
      expect([ran.code, ran.stderr]).toEqual([6, expect.stringContaining('(weather: it is revoked)')])
      expect(ran.stderr).toContain('next: moor peers\n')
    }
  })
})

describe('moor version', () => {
  it('names every protocol', async () => {
    await using world = await createWorld({ isStarted: false })
    const { stdout } = await world.moor(['version'])
    for (const { id } of [...Object.values(pluginProtocols), controlProtocol]) expect(stdout).toContain(id)
  })
})

describe('moor paths', () => {
  it('has readable names for people, and those of the code for machines', async () => {
    await using world = await createWorld({ isStarted: false })
    const { stdout } = await world.moor(['paths'])
    for (const name of ['state-dir', 'config-file', 'token-file'])
      expect(stdout).toMatch(new RegExp(`^  ${name} +/`, 'm'))
    expect(Object.keys(JSON.parse((await world.moor(['paths', '--json'])).stdout).data)).toEqual(
      Object.keys(world.places),
    )
  })
})

describe('moor logs -f and moor block watch', () => {
  it('end at Ctrl-C without a word, with 130', async () => {
    const interrupt = new AbortController()
    const watch = async function* (_input: unknown, { signal }: { signal: AbortSignal }) {
      // Reached: the command is under way.
      setImmediate(() => interrupt.abort())
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    }
    await using world = await createWorld({ handlers: { 'block.watch': watch as never } })
    const ran = await world.moor(['block', 'watch', 'space:home/notes', '--json', '--quiet'], {
      signal: interrupt.signal,
    })
    expect(ran).toEqual({ code: 130, stdout: '', stderr: '' })
  })
})
