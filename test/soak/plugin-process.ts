/**
 * A process that runs any number of plugins with the public SDK, told what to do by JSON lines on standard input. Keeps:
 * what it says was so at that moment, so whoever kills it may rely on what was said before.
 */
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import * as A from '@automerge/automerge'
import { definePlugin, type Host, type RunningPlugin, runPlugin } from '../../plugin-sdk/index.ts'
import { type BlockHandle, getConflicts } from '../../plugin-sdk/memory/index.ts'
import { Channel } from '../../protocol/index.ts'
import { readChange } from '../../protocol/sync/index.ts'

/** The newest change that a plugin has made in one block. */
export interface Made {
  readonly address: string
  readonly actor: string
  readonly seq: number
}

export type HostCommand = { readonly to: string } & (
  | {
      readonly do: 'start'
      readonly home: string
      /** Maps that it opens. */
      readonly blocks: readonly string[]
      /** Keeps nothing on disk. */
      readonly memory?: boolean
      /** @default the ticket file of the daemon */
      readonly ticket?: string
    }
  /** Edits without end, in every block in turn: so many in one turn, then a pause. */
  | { readonly do: 'load'; readonly key: string; readonly perTurn: number; readonly pauseMs: number }
  /** So many edits of so many bytes each, in every block in turn, under so many keys. */
  | { readonly do: 'put'; readonly key: string; readonly count: number; readonly bytes: number; readonly keys: number }
  /** One edit in the first block. */
  | { readonly do: 'set'; readonly key: string; readonly value: number }
  /** What stands under a key of the first block: more than one value where several were set side by side. */
  | { readonly do: 'values'; readonly key: string }
  | { readonly do: 'rest' }
  | { readonly do: 'flush' }
  /** Reads nothing that arrives in this process, from any daemon, and goes on giving signs of life; or reads again. */
  | { readonly do: 'listen'; readonly isDeaf: boolean }
  /** Resolves when the blocks have what this digest is of, or so many keys. */
  | { readonly do: 'await'; readonly digest: string }
  | { readonly do: 'await'; readonly keys: number }
  | { readonly do: 'show' }
  | { readonly do: 'stop' }
)

export type PluginWord = { readonly from: string } & (
  | { readonly said: 'ready'; readonly peer: string }
  | { readonly said: 'status'; readonly state: string; readonly reason: string; readonly atMs: number }
  | { readonly said: 'saved' | 'settled'; readonly made: readonly Made[] }
  | { readonly said: 'values'; readonly shown: unknown; readonly all: readonly unknown[] }
  | { readonly said: 'rested' | 'put' | 'set' | 'flushed' | 'same' | 'stopped' | 'deaf' | 'listening' }
  /** SHA-256 of the content of every block; how many edits were refused for good, and are not settled. */
  | {
      readonly said: 'shown'
      readonly digest: string
      readonly keys: number
      readonly refused: number
      readonly pending: number
    }
  | { readonly said: 'failed'; readonly message: string }
)

type Word = PluginWord extends infer Each ? (Each extends { from: string } ? Omit<Each, 'from'> : never) : never

interface Running {
  readonly plugin: RunningPlugin
  blocks: BlockHandle<'map'>[]
  isLoading: boolean
}

const running = new Map<string, Running>()

/** A pipe is written to before this returns, so that after a kill what was said has been said. */
const say = (from: string, word: Word): boolean => process.stdout.write(`${JSON.stringify({ from, ...word })}\n`)
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

let heard: Promise<void> = Promise.resolve()
let hearAgain: () => void = () => {}
const next = Channel.prototype.next
Channel.prototype.next = async function (this: Channel) {
  await heard
  return next.call(this)
}

function listen(isDeaf: boolean): void {
  hearAgain()
  if (isDeaf) {
    heard = new Promise((resolve) => {
      hearAgain = resolve
    })
  }
}

/** Without the order of keys, which no replica promises. */
function digestOf(blocks: readonly BlockHandle<'map'>[]): { digest: string; keys: number } {
  const hash = createHash('sha256')
  let keys = 0
  for (const { address, value } of blocks) {
    hash.update(address)
    for (const key of Object.keys(value.map).sort()) {
      const item = value.map[key]
      hash.update(key).update(item instanceof Uint8Array ? item : JSON.stringify(item))
      keys++
    }
  }
  return { digest: hash.digest('hex'), keys }
}

function madeIn(block: BlockHandle<'map'>): Made[] {
  const bytes = A.getLastLocalChange(block.value)
  if (bytes === undefined) return []
  const { actor, seq } = readChange(bytes)
  return [{ address: block.address, actor, seq }]
}

async function start(name: string, command: Extract<HostCommand, { do: 'start' }>): Promise<void> {
  const { home, blocks, memory, ticket } = command
  const opened = Promise.withResolvers<BlockHandle<'map'>[]>()
  const plugin = definePlugin({
    name,
    version: '1.0.0',
    wants: ['read', 'write', 'create'].map((right) => `blocks:${right}:space:soak/*`),
    setup: async (host: Host) => {
      opened.resolve(await Promise.all(blocks.map((address) => host.open(address, 'map'))))
    },
  })
  const started = await runPlugin(plugin, {
    home,
    ...(ticket === undefined ? {} : { ticket }),
    ...(memory === undefined ? {} : { memory }),
    onStatus: ({ state, reason }) => say(name, { said: 'status', state, reason, atMs: Date.now() }),
    reporter: { pending: () => {}, approved: () => {}, granted: () => {} },
  })
  started.done.catch((error: Error) => {
    opened.reject(error)
    say(name, { said: 'failed', message: `${error.name} ${error.message}` })
  })
  const entry: Running = { plugin: started, blocks: [], isLoading: false }
  running.set(name, entry)
  entry.blocks = await opened.promise
  say(name, { said: 'ready', peer: started.peer })
}

async function load(name: string, entry: Running, command: Extract<HostCommand, { do: 'load' }>): Promise<void> {
  const { key, perTurn, pauseMs } = command
  entry.isLoading = true
  for (let n = 0; entry.isLoading; n++) {
    const block = entry.blocks[n % entry.blocks.length]
    block?.change((draft) => {
      draft.map[key] = n
    })
    if (n % perTurn !== perTurn - 1) continue
    const made = entry.blocks.flatMap(madeIn)
    const [first] = entry.blocks
    first?.saved().then(() => say(name, { said: 'saved', made }), ignoreWhile(name))
    Promise.all(entry.blocks.map((each) => each.flushed())).then(
      () => say(name, { said: 'settled', made }),
      ignoreWhile(name),
    )
    await pause(pauseMs)
  }
  say(name, { said: 'rested' })
}

const ignoreWhile = (name: string) => (error: Error) => void say(name, { said: 'failed', message: error.message })

async function obey(command: HostCommand): Promise<void> {
  const { to: name } = command
  if (command.do === 'start') return start(name, command)
  const entry = running.get(name)
  if (entry === undefined) throw new Error('not started')
  switch (command.do) {
    case 'load':
      return load(name, entry, command)
    case 'put':
      for (let n = 0; n < command.count; n++) {
        entry.blocks[n % entry.blocks.length]?.change((draft) => {
          draft.map[`${command.key} ${n % command.keys}`] = createHash('shake256', { outputLength: command.bytes })
            .update(`${command.key} ${n}`)
            .digest()
        })
        await pause(0)
      }
      say(name, { said: 'put' })
      break
    case 'set':
      entry.blocks[0]?.change((draft) => {
        draft.map[command.key] = command.value
      })
      say(name, { said: 'set' })
      break
    case 'values': {
      const map = entry.blocks[0]?.value.map ?? {}
      const all = Object.values(getConflicts(map, command.key) ?? { only: map[command.key] })
      say(name, { said: 'values', shown: map[command.key], all })
      break
    }
    case 'rest':
      entry.isLoading = false
      break
    case 'flush':
      await Promise.all(entry.blocks.map((block) => block.flushed()))
      await Promise.all(entry.blocks.map((block) => block.live()))
      say(name, { said: 'flushed' })
      break
    case 'listen':
      listen(command.isDeaf)
      say(name, { said: command.isDeaf ? 'deaf' : 'listening' })
      break
    case 'await':
      await until(entry.blocks, () => {
        const has = digestOf(entry.blocks)
        return 'keys' in command ? has.keys === command.keys : has.digest === command.digest
      })
      say(name, { said: 'same' })
      break
    case 'show':
      say(name, {
        said: 'shown',
        ...digestOf(entry.blocks),
        refused: entry.blocks.reduce((sum, { refused }) => sum + refused.length, 0),
        pending: entry.blocks.reduce((sum, { pending }) => sum + pending, 0),
      })
      break
    case 'stop':
      entry.isLoading = false
      await entry.plugin.stop()
      running.delete(name)
      say(name, { said: 'stopped' })
      break
  }
}

/** What looking costs, in a process of many plugins and of large blocks, must not be what is waited for. */
const lookEveryMs = 100

/** Looks again after changes have arrived. */
function until(blocks: readonly BlockHandle<'map'>[], isTrue: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    let isDue = false
    const look = (): void => {
      isDue = false
      if (!isTrue()) return
      for (const stop of stops) stop()
      resolve()
    }
    const lookSoon = (): void => {
      if (!isDue) setTimeout(look, lookEveryMs)
      isDue = true
    }
    const stops = blocks.map((block) => block.on('change', lookSoon))
    look()
  })
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const command = JSON.parse(line) as HostCommand
    obey(command).catch((error: Error) => say(command.to, { said: 'failed', message: error.stack ?? error.message }))
  })
  // The parent is gone, or wants no more.
  .on('close', () => process.exit(0))
