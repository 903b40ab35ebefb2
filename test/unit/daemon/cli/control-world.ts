/** A control server with handlers that answer from a plain object, and the command line run against it in this process. */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { z } from 'zod'
import { runCli } from '../../../../daemon/cli/main.ts'
import type { Logger } from '../../../../daemon/log.ts'
import { type ControlHandlers, type ControlServer, createControlServer } from '../../../../daemon/net/control-socket.ts'
import { systemClock } from '../../../../daemon/system-clock.ts'
import {
  type ArchiveId,
  type BlockAddress,
  type ChangeHash,
  type Clock,
  type controlProtocol,
  fingerprintWords,
  MooringError,
  type PeerCard,
  type PeerId,
  type Places,
  placesFrom,
  type QuarantinedCard,
  type RequestCard,
  type Scope,
  type StatusCard,
} from '../../../../protocol/index.ts'

export const peerA = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5' as PeerId
export const peerB = '12D3KooWQYV9dGMFoRzNStwpXztXaBUjtPqi6aU76ZgUriHhKust' as PeerId

type Item = z.output<(typeof controlProtocol.ops)['block.watch']['item']>
type Block = z.output<(typeof controlProtocol.ops)['block.list']['output']>['blocks'][number]
type Hit = z.output<(typeof controlProtocol.ops)['search.query']['output']>['hits'][number]
type Entry = z.output<(typeof controlProtocol.ops)['archive.get']['output']>
type Group = z.output<(typeof controlProtocol.ops)['block.history']['output']>['groups'][number]
type Patch = z.output<(typeof controlProtocol.ops)['block.diff']['output']>['patches'][number]
type Span = z.output<(typeof controlProtocol.ops)['block.blame']['output']>['spans'][number]
type Rendered = z.output<(typeof controlProtocol.ops)['block.show']['output']>

/** Everything the fake daemon answers with; a test changes what it is about. */
export interface Answers {
  status: StatusCard
  requests: RequestCard[]
  peers: PeerCard[]
  blocks: Block[]
  block: Rendered
  history: Group[]
  patches: Patch[]
  spans: Span[]
  changes: Item[]
  quarantined: QuarantinedCard[]
  entries: Entry[]
  hits: Hit[]
  ticket: string
}

export function answers(): Answers {
  const manifest = {
    name: 'weather',
    version: '0.2.0',
    description: 'Writes the forecast',
    wants: ['blocks:read:space:home/*', 'blocks:write:space:home/weather'],
  }
  const block: Block = {
    address: 'space:home/notes' as BlockAddress,
    generation: 1,
    schema: 'text',
    description: 'What to remember',
    kind: 'working',
    pinned: false,
    owner: peerB,
    createdAtMs: 1_000,
    changes: 12,
    seq: 99,
  }
  return {
    status: {
      version: '0.1.0',
      pid: 4242,
      peer: peerA,
      words: fingerprintWords(peerA),
      addresses: ['/ip4/127.0.0.1/udp/4410/quic-v1'],
      stateDir: '/home/ann/.local/state/mooring',
      startedAtMs: 1_000,
      firstStart: true,
      state: 'running',
      plugins: { approved: 1, live: 1 },
      requests: 1,
      blocks: 1,
      changes: 12,
      quarantined: 1,
      suspended: 1,
      damaged: 0,
      damages: [],
      suspensions: [{ peer: peerB, name: 'weather', reason: 'change 4f1c2a9b of space:home/notes: it does not load' }],
    },
    requests: [
      {
        code: 'K7WQ2M',
        digest: 'd'.repeat(64),
        state: 'pending',
        peer: peerB,
        words: fingerprintWords(peerB),
        manifest,
        wants: manifest.wants,
        holds: [],
        from: '/ip4/192.0.2.7/udp/50000/quic-v1',
        name: 'weather',
        createdAtMs: 1_000,
        expiresAtMs: 4_000_000_000_000,
      },
    ],
    peers: [
      {
        peer: peerB,
        words: fingerprintWords(peerB),
        name: 'weather',
        state: 'approved',
        grants: manifest.wants,
        grantVersion: 1,
        sessions: [{ from: '/ip4/192.0.2.7/udp/50000/quic-v1', sinceMs: 1_000, version: '0.2.0' }],
        decidedAtMs: 1_000,
      },
    ],
    blocks: [block],
    block: {
      address: block.address,
      generation: 1,
      schema: 'text',
      heads: ['a'.repeat(64) as ChangeHash],
      text: 'remember the kettle is blue\n',
      textHash: 'b'.repeat(64),
      totalChars: 28,
      problems: [],
    },
    history: ['77d0e1c4aa52', '4f1c2a9b03de'].map((digits) => ({
      peer: peerB,
      name: 'weather',
      isVouched: false,
      fromMs: 1_000,
      untilMs: 2_000,
      ...{ changes: 2, ops: 30, bytes: 240 },
      first: digits.padEnd(64, 'd') as ChangeHash,
      last: digits.padEnd(64, 'e') as ChangeHash,
      heads: [digits.padEnd(64, 'e') as ChangeHash],
      isFolded: false,
      summary: 'wrote 30 characters',
    })),
    patches: [{ path: '/text', kind: 'text', diff: '@@ line 1\n-the kettle is red\n+the kettle is blue' }],
    spans: [
      {
        text: 'remember the kettle is blue\n',
        ...{ peer: peerB, name: 'weather', isVouched: false, atMs: 1_000 },
        change: 'e'.repeat(64) as ChangeHash,
      },
    ],
    changes: [{ seq: 100, changes: 1, bytes: 120, peer: peerB, name: 'weather', atMs: 1_000 }],
    quarantined: [
      {
        hash: 'c'.repeat(64) as ChangeHash,
        address: block.address,
        seq: 101,
        peer: peerB,
        name: 'weather',
        reason: 'the snapshot has lost changes',
        atMs: 1_000,
      },
    ],
    entries: [
      {
        id: '019b0a3c-7d00-7000-8000-000000000001' as ArchiveId,
        scope: 'space:home' as Scope,
        owner: peerB,
        createdAtMs: 1_000,
        metadata: { from: 'ann' },
        text: 'the kettle is blue',
      },
    ],
    hits: [
      {
        kind: 'block',
        address: block.address,
        scope: 'space:home' as Scope,
        score: 1.5,
        snippet: 'remember the kettle is blue',
        marks: [{ from: 13, to: 19 }],
      },
    ],
    ticket: 'moor1qqqqqqqqqqqqqqqqqqqqqqqq',
  }
}

export interface Call {
  readonly op: string
  readonly input: unknown
}

/** Handlers over the answers; what is called is noted in `calls`. */
export function fakeHandlers(state: Answers, calls: Call[]): ControlHandlers {
  const note = (op: string, input: unknown): void => void calls.push({ op, input })
  const requestOf = (code: string): RequestCard => {
    const found = state.requests.find((card) => card.code === code)
    if (found === undefined) throw new MooringError('request-not-found')
    return found
  }
  const firstPeer = (): PeerCard => {
    const found = state.peers[0]
    if (found === undefined) throw new MooringError('peer-not-found')
    return found
  }
  const entryOf = (): Entry => {
    const found = state.entries[0]
    if (found === undefined) throw new MooringError('archive-not-found')
    return found
  }
  return {
    'daemon.status': () => state.status,
    'daemon.stop': (input) => {
      note('daemon.stop', input)
      return {}
    },
    'request.list': () => ({ requests: state.requests, more: false }),
    'request.get': ({ code }) => requestOf(code),
    'request.approve': (input) => {
      note('request.approve', input)
      if (requestOf(input.code).digest !== input.digest) throw new MooringError('digest-mismatch')
      return firstPeer()
    },
    'request.deny': ({ code }) => ({ ...requestOf(code), state: 'denied' }),
    'peer.list': () => ({ peers: state.peers, more: false }),
    'peer.revoke': (input) => {
      note('peer.revoke', input)
      return { ...firstPeer(), state: 'revoked' }
    },
    'peer.narrow': firstPeer,
    'peer.release': firstPeer,
    'peer.wait': firstPeer,
    'invite.create': (input) => {
      note('invite.create', input)
      return { ticket: state.ticket, expiresAtMs: 4_000_000_000_000, grants: input.grants }
    },
    'block.list': ({ after, limit }) => {
      const rest = state.blocks.filter((block) => block.address > after)
      return { blocks: rest.slice(0, limit), more: rest.length > limit }
    },
    'block.show': ({ offset }) => ({ ...state.block, text: state.block.text.slice(offset, offset + 50_000) }),
    'block.at': ({ address, offset }) => {
      const { generation, textHash, text, totalChars } = state.block
      return { address, generation, textHash, text: text.slice(offset, offset + 50_000), totalChars }
    },
    'block.diff': () => ({ patches: state.patches, more: false }),
    'block.blame': () => ({ spans: state.spans, next: 30, totalChars: 30 }),
    'block.create': (input) => {
      note('block.create', input)
      return { address: input.address, generation: 1, isNew: true }
    },
    'block.edit': (input) => {
      note('block.edit', input)
      const change = 'e'.repeat(64) as ChangeHash
      return { address: input.address, generation: 1, change, heads: [change] }
    },
    'block.history-depth': () => ({ undo: 3, redo: 1 }),
    'block.undo': (input) => {
      note('block.undo', input)
      return { isDone: true, of: 'd'.repeat(64) as ChangeHash, change: 'e'.repeat(64) as ChangeHash, undo: 2, redo: 2 }
    },
    'block.redo': (input) => {
      note('block.redo', input)
      return { isDone: false, undo: 3, redo: 0 }
    },
    'block.history': ({ limit }) => ({ groups: state.history.slice(0, limit), more: state.history.length > limit }),
    'block.compact': (input) => {
      note('block.compact', input)
      return { address: input.address, rows: 12, bytes: 1_440 }
    },
    'block.reset-history': (input) => {
      note('block.reset-history', input)
      return { address: input.address, generation: 2, changes: 1, before: 12 }
    },
    'block.update-metadata': (input) => {
      note('block.update-metadata', input)
      const { kind, pinned } = input.patch
      return { address: input.address, meta: { description: state.blocks[0]?.description, kind, pinned } }
    },
    'quarantine.list': ({ after, limit }) => {
      const rest = state.quarantined.filter((change) => change.seq > after)
      return { changes: rest.slice(0, limit), more: rest.length > limit }
    },
    'quarantine.export': () => {
      const [change] = state.quarantined
      if (change === undefined) throw new MooringError('change-not-found')
      return { change, bytes: Uint8Array.of(1, 2, 3) }
    },
    'quarantine.release': () => ({ changes: state.quarantined.map((change) => change.hash) }),
    'archive.insert': (input) => {
      note('archive.insert', input)
      return { id: entryOf().id, createdAtMs: 1_000 }
    },
    'search.query': (input) => {
      note('search.query', input)
      return { hits: state.hits, cursor: '3ff8000000000000space:home/notes' }
    },
    'search.reindex': () => ({ blocks: 1, entries: 1 }),
    'archive.get': entryOf,
    'archive.list': ({ after }) => {
      const rest = state.entries.filter(({ id }) => id > after)
      return {
        entries: rest.map(({ text, ...facts }) => ({ ...facts, excerpt: text.slice(0, 200), totalChars: text.length })),
        more: false,
      }
    },
    'archive.delete': (input) => {
      note('archive.delete', input)
      return {}
    },
    'block.watch': async function* () {
      yield* state.changes
    },
  }
}

export const silent: Logger = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly tty?: boolean
  readonly confirm?: (question: string) => Promise<boolean>
  readonly env?: Record<string, string>
  readonly signal?: AbortSignal
  readonly canSignal?: (pid: number) => boolean
  readonly launch?: Parameters<typeof runCli>[0]['launch']
  readonly runDaemon?: Parameters<typeof runCli>[0]['runDaemon']
  readonly call?: string
}

export interface ControlWorld extends AsyncDisposable {
  readonly places: Places
  readonly answers: Answers
  readonly calls: Call[]
  readonly server: ControlServer
  /** A server of the same places, not started. */
  newServer(): ControlServer
  moor(argv: readonly string[], options?: RunOptions): Promise<Ran>
}

/** One working line for every command. */
export const commandLines: Readonly<Record<string, readonly string[]>> = {
  up: ['up'],
  down: ['down'],
  status: ['status'],
  wait: ['wait', '--plugin', 'weather'],
  requests: ['requests'],
  approve: ['approve', 'K7WQ2M', '--yes'],
  deny: ['deny', 'K7WQ2M'],
  peers: ['peers'],
  narrow: ['narrow', 'weather', '--grant', 'blocks:read:space:home/weather'],
  revoke: ['revoke', 'weather'],
  release: ['release', 'weather'],
  invite: ['invite', '--grant', 'blocks:read:space:home/*'],
  ticket: ['ticket'],
  grants: ['grants'],
  blocks: ['blocks'],
  'block show': ['block', 'show', 'space:home/notes'],
  'block create': ['block', 'create', 'space:home/notes', 'text'],
  'block edit': ['block', 'edit', 'space:home/notes', '--splice', 'text:0:0:Milk: two', '--set', 'map.a.0=[1]'],
  'block history': ['block', 'history', 'space:home/notes'],
  'block at': ['block', 'at', 'space:home/notes', '4f1c2a9b03de'],
  'block diff': ['block', 'diff', 'space:home/notes', '77d0e1c4aa52'],
  'block blame': ['block', 'blame', 'space:home/notes'],
  'block history-depth': ['block', 'history-depth', 'space:home/notes', 'weather'],
  'block undo': ['block', 'undo', 'space:home/notes', 'weather'],
  'block redo': ['block', 'redo', 'space:home/notes', 'weather'],
  'block watch': ['block', 'watch', 'space:home/notes'],
  'block meta': ['block', 'meta', 'space:home/notes', '--description', 'What to remember'],
  'block reset-history': ['block', 'reset-history', 'space:home/notes', '--yes'],
  compact: ['compact'],
  search: ['search', 'kettle', '--scope', 'space:home', '--kind', 'block', '--limit', '5'],
  reindex: ['reindex'],
  'archive list': ['archive', 'list'],
  'archive get': ['archive', 'get', '019b0a3c-7d00-7000-8000-000000000001'],
  'archive insert': ['archive', 'insert', 'space:home', 'the kettle is blue', '--meta', 'from=ann'],
  'archive delete': ['archive', 'delete', '019b0a3c-7d00-7000-8000-000000000001'],
  'quarantine list': ['quarantine', 'list'],
  'quarantine export': ['quarantine', 'export', 'cccccccc'],
  'quarantine release': ['quarantine', 'release', 'cccccccc'],
  logs: ['logs'],
  paths: ['paths'],
  explain: ['explain', 'timeout'],
  commands: ['commands'],
  completion: ['completion', 'bash'],
  version: ['version'],
  help: ['help', 'approve'],
}

/** Those that work without a daemon. */
export const localCommands: readonly string[] = [
  'grants',
  'logs',
  'paths',
  'explain',
  'commands',
  'completion',
  'version',
  'help',
]

export interface WorldInit {
  /** @default true */
  readonly isStarted?: boolean
  readonly clock?: Clock
  readonly handlers?: Partial<ControlHandlers>
}

export async function createWorld(init: WorldInit = {}): Promise<ControlWorld> {
  const home = await mkdtemp(join(tmpdir(), 'moor-'))
  const places = placesFrom({ env: { MOORING_HOME: home }, platform: process.platform, homedir: home })
  const state = answers()
  const calls: Call[] = []
  const newServer = (): ControlServer =>
    createControlServer({
      ...places,
      version: '0.1.0',
      random: (bytes) => randomBytes(bytes),
      withUmask: (run) => run(),
      clock: init.clock ?? systemClock,
      handlers: { ...fakeHandlers(state, calls), ...init.handlers },
      log: silent,
    })
  const server = newServer()
  if (init.isStarted !== false) await server.start()
  return {
    places,
    answers: state,
    calls,
    server,
    newServer,
    moor: (argv, options = {}) => run(home, argv, options),
    [Symbol.asyncDispose]: async () => {
      await server.stop()
      await rm(home, { recursive: true, force: true })
    },
  }
}

async function run(home: string, argv: readonly string[], options: RunOptions): Promise<Ran> {
  const written = { stdout: '', stderr: '' }
  const stderr = new PassThrough()
  stderr.on('data', (data: Buffer) => {
    written.stderr += data.toString()
  })
  const isTTY = options.tty === true
  const code = await runCli({
    argv,
    env: { MOORING_HOME: home, ...options.env },
    stdin: new PassThrough(),
    stdout: { write: (text) => (written.stdout += text) },
    stderr,
    isTTY: { stdin: isTTY, stdout: isTTY, stderr: isTTY },
    platform: process.platform,
    homedir: home,
    execPath: process.execPath,
    signal: options.signal ?? new AbortController().signal,
    canSignal: options.canSignal ?? (() => false),
    ...(options.confirm === undefined ? {} : { confirm: options.confirm }),
    ...(options.launch === undefined ? {} : { launch: options.launch }),
    ...(options.runDaemon === undefined ? {} : { runDaemon: options.runDaemon }),
    ...(options.call === undefined ? {} : { call: options.call }),
  })
  stderr.end()
  return { code, stdout: written.stdout, stderr: written.stderr }
}

/** Writes lines into the log file of the world. */
export async function writeLog(places: Places, lines: readonly (object | string)[]): Promise<void> {
  await mkdir(dirname(places.logFile), { recursive: true })
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))
  await writeFile(places.logFile, `${text.join('\n')}\n`)
}
