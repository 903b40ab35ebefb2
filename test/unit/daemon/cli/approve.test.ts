import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { keyOf } from '../../../../daemon/cli/sanitize.ts'
import { MooringError } from '../../../../protocol/index.ts'
import { createWorld, peerA, peerB } from './control-world.ts'

const yes = async (): Promise<boolean> => true
const no = async (): Promise<boolean> => false

describe('moor approve', () => {
  it('shows key, origin and what is asked for in plain words, then sends the digest of that', async () => {
    await using world = await createWorld()
    const digest = randomBytes(32).toString('hex')
    world.answers.requests = world.answers.requests.map((card) => ({ ...card, digest }))
    const ran = await world.moor(['approve', 'K7WQ2M'], { tty: true, confirm: yes })
    expect(ran.code).toBe(0)
    expect(ran.stderr).toContain(keyOf(peerB))
    expect(ran.stderr).toContain(peerB)
    expect(ran.stderr).toContain('/ip4/192.0.2.7/udp/50000/quic-v1')
    expect(ran.stderr).toContain('may read the content and the history of every block of space home')
    expect(world.calls).toEqual([{ op: 'request.approve', input: { code: 'K7WQ2M', digest, name: 'weather' } }])
  })

  it('has shown everything before it asks', async () => {
    await using world = await createWorld()
    const seen: string[] = []
    let question = ''
    const ran = await world.moor(['approve', 'K7WQ2M'], {
      tty: true,
      confirm: async (text) => {
        question = text
        seen.push(...world.calls.map((call) => call.op))
        return true
      },
    })
    expect(question).toContain(keyOf(peerB))
    expect(seen).toEqual([])
    expect(ran.code).toBe(0)
  })

  it('fails when the request is not the one that was shown', async () => {
    await using world = await createWorld()
    const confirm = async (): Promise<boolean> => {
      // Between the look and the answer the key asks for more.
      world.answers.requests = world.answers.requests.map((card) => ({ ...card, digest: 'e'.repeat(64) }))
      return true
    }
    const ran = await world.moor(['approve', 'K7WQ2M'], { tty: true, confirm })
    expect(ran.code).toBe(6)
    expect(ran.stderr).toContain('error digest-mismatch')
  })

  it('approves nothing after a no', async () => {
    await using world = await createWorld()
    const ran = await world.moor(['approve', 'K7WQ2M'], { tty: true, confirm: no })
    expect(ran.code).toBe(4)
    expect(ran.stderr).toContain('(not approved; the request stays open)')
    expect(ran.stderr).toContain('next: moor deny K7WQ2M')
    expect(ran.stderr).not.toContain('terminal')
    expect(world.calls).toEqual([])
  })

  it('ends with 130 when the question is interrupted', async () => {
    await using world = await createWorld()
    const confirm = async (): Promise<boolean> => {
      throw new MooringError('cancelled')
    }
    expect((await world.moor(['approve', 'K7WQ2M'], { tty: true, confirm })).code).toBe(130)
    expect(world.calls).toEqual([])
  })

  it.each([
    ['without a terminal', { tty: false }, []],
    ['with --no-input', { tty: true }, ['--no-input']],
  ])('needs --yes %s, and names the command that would do it', async (_what, options, flags) => {
    await using world = await createWorld()
    const ran = await world.moor(['approve', 'K7WQ2M', ...flags], { ...options, confirm: yes })
    expect(ran.code).toBe(4)
    expect(ran.stderr).toContain('there is no terminal to ask on')
    expect(ran.stderr).toContain(`next: moor approve K7WQ2M --expect-key ${peerB} --yes`)
    expect(ran.stderr).toContain(keyOf(peerB))
    expect(world.calls).toEqual([])
  })

  it('takes --yes for an answer, and the expected key as id or as it is shown', async () => {
    await using world = await createWorld()
    for (const key of [peerB, keyOf(peerB)]) {
      const ran = await world.moor(['approve', 'K7WQ2M', '--yes', '--expect-key', key, '--json'])
      expect(ran.code).toBe(0)
      expect(JSON.parse(ran.stdout)).toMatchObject({ v: 1, kind: 'approve', data: { peer: peerB } })
    }
  })

  it.each([
    ['another key', peerA],
    ['the end of the id', peerB.slice(-8)],
    ['the words alone', keyOf(peerB).split(' ')[0] ?? ''],
  ])('refuses when %s is expected', async (_what, key) => {
    await using world = await createWorld()
    const ran = await world.moor(['approve', 'K7WQ2M', '--yes', '--expect-key', key, '--json'])
    expect(ran.code).toBe(7)
    expect(JSON.parse(ran.stdout)).toMatchObject({
      kind: 'error',
      data: { code: 'key-mismatch', next: 'moor deny K7WQ2M' },
    })
    expect(world.calls).toEqual([])
  })

  it('grants less than was asked, under another name, and shows what is left out', async () => {
    await using world = await createWorld()
    const ran = await world.moor(['approve', 'K7WQ2M', '--yes', '--grant', 'blocks:read:space:home/*', '--name', 'sky'])
    expect(ran.stderr).toMatch(/not +blocks:write:space:home\/weather/)
    expect(world.calls[0]?.input).toEqual({
      code: 'K7WQ2M',
      digest: 'd'.repeat(64),
      grants: ['blocks:read:space:home/*'],
      name: 'sky',
    })
  })

  it.each([
    ['approved', 'request-decided', 6],
    ['denied', 'request-decided', 6],
    ['expired', 'request-expired', 7],
    ['superseded', 'request-superseded', 6],
  ] as const)('ends before it asks when the request is %s, and shows no expiry', async (state, code, exit) => {
    await using world = await createWorld()
    world.answers.requests = world.answers.requests.map((card) => ({ ...card, state }))
    let isAsked = false
    const confirm = async (): Promise<boolean> => {
      isAsked = true
      return true
    }
    const ran = await world.moor(['approve', 'K7WQ2M'], { tty: true, confirm, env: { NO_COLOR: '1' } })
    expect([ran.code, isAsked, world.calls]).toEqual([exit, false, []])
    expect(ran.stderr).toContain(`error ${code}:`)
    expect(ran.stderr).toMatch(new RegExp(`state +${state}\n`))
    expect(ran.stderr).not.toContain('expires')
    expect(ran.stderr).toMatch(/asked +blocks:read/)
    expect(ran.stderr).not.toMatch(/^ *gets/m)
  })

  it('ends before it asks when the time of the request is over', async () => {
    await using world = await createWorld()
    world.answers.requests = world.answers.requests.map((card) => ({ ...card, expiresAtMs: 2_000 }))
    const ran = await world.moor(['approve', 'K7WQ2M', '--yes'])
    expect([ran.code, world.calls]).toEqual([7, []])
    expect(ran.stderr).toContain('error request-expired:')
  })

  it.each([
    ['a grant that is none', ['--grant', 'everything']],
    ['a name that is none', ['--name', 'Not A Name']],
    ['a duration that is none', ['--timeout', 'soon']],
    ['a deadline above what a call can have', ['--timeout', '2d']],
  ])('refuses %s before anything is asked', async (_what, flags) => {
    await using world = await createWorld()
    const ran = await world.moor(['approve', 'K7WQ2M', '--yes', ...flags])
    expect(ran.code).toBe(2)
    expect(world.calls).toEqual([])
  })

  it('says that there is no such request', async () => {
    await using world = await createWorld()
    expect(await world.moor(['approve', 'zzzz', '--yes'])).toMatchObject({ code: 5, stdout: '' })
  })
})
