import { describe, expect, it } from 'vitest'
import { keyOf } from '../../../../daemon/cli/sanitize.ts'
import { MooringError } from '../../../../protocol/index.ts'
import {
  answers,
  type ControlWorld,
  commandLines,
  createWorld,
  localCommands,
  peerB,
  type Ran,
  writeLog,
} from './control-world.ts'
import { hostilePayloads, isHarmless } from './hostile-payloads.ts'

/** Puts the text into every field that a peer, or somebody through a peer, chooses freely. */
async function plant(world: ControlWorld, text: string): Promise<void> {
  const state = world.answers
  const fresh = answers()
  const short = cut(text, 32)
  state.status = {
    ...fresh.status,
    version: short,
    addresses: [cut(text, 256), cut(text, 100), ...fresh.status.addresses],
    stateDir: text.toWellFormed(),
    suspensions: fresh.status.suspensions.map((one) => ({
      ...one,
      name: cut(text, 64),
      reason: text.toWellFormed(),
    })),
  }
  state.requests = fresh.requests.map((card) => ({
    ...card,
    from: cut(text, 256),
    manifest: {
      ...card.manifest,
      version: short,
      description: cut(text, 200),
      [`extra ${short}`]: text.toWellFormed(),
    },
  }))
  state.peers = fresh.peers.map((card) => ({
    ...card,
    suspended: text.toWellFormed(),
    sessions: [{ from: cut(text, 256), sinceMs: 1, version: short }],
  }))
  state.blocks = fresh.blocks.map((block) => ({ ...block, schema: cut(text, 64), description: cut(text, 500) }))
  const problems = [{ path: cut(text, 256), problem: cut(text, 100) }]
  const shown = { schema: cut(text, 64), text: text.toWellFormed(), totalChars: text.length, problems }
  state.block = { ...fresh.block, ...shown }
  state.changes = fresh.changes.map((item) => ({ ...item, name: cut(text, 64) }))
  state.quarantined = fresh.quarantined.map((change) => ({
    ...change,
    name: cut(text, 64),
    reason: text.toWellFormed(),
  }))
  state.entries = fresh.entries.map((entry) => ({
    ...entry,
    metadata: { from: cut(text, 256) },
    text: text === '' ? ' ' : text.toWellFormed(),
  }))
  const name = cut(text, 64)
  state.history = answers().history.map((group) => ({ ...group, name: name || 'x', summary: cut(text, 400) }))
  state.spans = answers().spans.map((span) => ({ ...span, name: name || 'x', text: cut(text, 10_000) }))
  state.patches = [{ path: cut(text, 256), kind: 'changed', before: cut(text, 512), after: cut(text, 512) }]
  state.hits = fresh.hits.map((hit) => ({ ...hit, snippet: cut(text, 400), marks: [{ from: 0, to: 1 }] }))
  state.ticket = text.toWellFormed()
  await writeLog(world.places, [
    { time: text, level: 'warn', sub: text, msg: text, [text]: text, nested: { [text]: [text] } },
    { time: '2025-01-01T00:00:00.000Z', level: 'info', sub: 'plugin', plugin: text, peer: peerB, msg: text },
    { time: '2025-01-01T00:00:00.000Z', level: 'info', sub: 'net', name: text, peer: peerB, msg: text },
    { time: '2025-01-01T00:00:00.000Z', level: 'error', sub: 'net', peer: text, err: { message: text, stack: text } },
    { time: '2025-01-01T00:00:00.000Z', level: 'info', sub: 'plugin', plugin: 'weather', peer: text, msg: text },
    text.replaceAll('\n', ' '),
  ])
}

/** The start of a text, as it can be sent: what is half a character has no encoding. */
const cut = (text: string, chars: number): string => text.slice(0, chars).toWellFormed()

const linesOf = (ran: Ran): number => ran.stdout.split('\n').length + ran.stderr.split('\n').length

/** Commands that show a peer, and so must show its key. */
const showPeer = [
  'wait',
  'requests',
  'approve',
  'deny',
  'peers',
  'narrow',
  'revoke',
  'release',
  'quarantine list',
  'quarantine export',
  'block watch',
  'block history',
  'block blame',
  'logs',
]

describe.each(Object.entries(commandLines))('moor %s', (name, argv) => {
  it('prints harmless text on the same number of lines whatever a peer says, and always its key', async () => {
    await using world = await createWorld()
    await plant(world, 'x')
    const plain = await world.moor(argv)
    expect(plain.code).toBe(0)
    for (const text of hostilePayloads) {
      await plant(world, text)
      const ran = await world.moor(argv)
      expect(ran.code, text).toBe(0)
      expect(isHarmless(ran.stdout + ran.stderr), text).toBe(true)
      // Only a block and an entry have lines of their own. What is no JSON line in the log may be cut into several by the file itself.
      if (!['block show', 'block at', 'archive get'].includes(name)) expect(linesOf(ran), text).toBe(linesOf(plain))
      if (showPeer.includes(name)) expect(ran.stdout + ran.stderr, text).toContain(keyOf(peerB))
    }
  })

  it('prints JSON in ASCII that still holds the exact text', async () => {
    await using world = await createWorld()
    for (const text of hostilePayloads) {
      await plant(world, text)
      const ran = await world.moor([...argv, '--json', '--quiet'])
      expect(ran.code, text).toBe(0)
      expect(ran.stdout, text).toMatch(/^[\n\x20-\x7e]*$/)
      expect(isHarmless(ran.stderr), text).toBe(true)
      for (const line of ran.stdout.trimEnd().split('\n')) expect(JSON.parse(line)).toMatchObject({ v: 1, kind: name })
    }
  })
})

describe.each(Object.entries(commandLines).filter(([name]) => name !== 'up' && !localCommands.includes(name)))(
  'moor %s',
  (_name, argv) => {
    it('prints a harmless error when the daemon passes on a hostile detail', async () => {
      let detail = ''
      const refuse = (): never => {
        throw new MooringError('wrong-state', { detail })
      }
      const handlers = Object.fromEntries(Object.keys(answersOf).map((op) => [op, refuse]))
      await using world = await createWorld({ handlers })
      for (const text of hostilePayloads) {
        detail = cut(text, 500)
        const ran = await world.moor(argv)
        expect(ran.code, text).toBe(6)
        expect(isHarmless(ran.stdout + ran.stderr), text).toBe(true)
        expect(
          ran.stderr
            .trimEnd()
            .split('\n')
            .filter((line) => line.startsWith('error ')),
          text,
        ).toHaveLength(1)
      }
    })
  },
)

/** Every operation a command may begin with. */
const answersOf = {
  'search.query': true,
  'search.reindex': true,
  'archive.insert': true,
  'archive.get': true,
  'archive.list': true,
  'archive.delete': true,
  'daemon.status': true,
  'request.list': true,
  'request.get': true,
  'request.deny': true,
  'peer.list': true,
  'peer.narrow': true,
  'peer.revoke': true,
  'peer.release': true,
  'quarantine.list': true,
  'quarantine.export': true,
  'quarantine.release': true,
  'invite.create': true,
  'block.list': true,
  'block.show': true,
  'block.create': true,
  'block.edit': true,
  'block.history': true,
  'block.history-depth': true,
  'block.undo': true,
  'block.redo': true,
  'block.at': true,
  'block.diff': true,
  'block.blame': true,
  'block.compact': true,
  'block.reset-history': true,
  'block.update-metadata': true,
  'block.watch': true,
}

describe('names that are no names', () => {
  it('are refused by their shape, and not even the refusal repeats them', async () => {
    await using world = await createWorld()
    for (const text of hostilePayloads) {
      world.answers.peers = answers().peers.map((card) => ({ ...card, name: text.toWellFormed() }))
      const key = text.toWellFormed()
      world.answers.requests = answers().requests.map((card) => ({ ...card, name: key, [key]: key }))
      for (const argv of [
        ['peers'],
        ['requests'],
        ['approve', 'K7WQ2M', '--yes'],
        ['deny', 'K7WQ2M'],
        ['revoke', 'weather'],
      ]) {
        const ran = await world.moor(argv)
        expect(ran.code, text).toBe(1)
        expect(isHarmless(ran.stdout + ran.stderr), text).toBe(true)
        expect(ran.stderr).toContain('error malformed')
      }
    }
  })
})
