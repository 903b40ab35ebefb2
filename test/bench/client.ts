/**
 * A client process: plays one or many clients of one subject. Does what {@link Commands} says, told by JSON lines on
 * standard input, answering by JSON lines on standard output. Ends with its parent.
 */
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { loadAutomergePaper } from '../fixtures/traces.ts'
import type { CommandName, Commands, Held, Marks } from './commands.ts'
import { nowMs } from './monotonic.ts'
import type { Client, Connect, Document } from './subject.ts'
import { groupEdits } from './trace.ts'

const [module = ''] = process.argv.slice(2)
const { connect } = (await import(module)) as { readonly connect: Connect }

const clients = new Map<string, Client>()
const documents = new Map<string, Document>()
const marksOf = new Map<Document, { lengths: number[]; atMs: number[] }>()

const keyOf = ({ client, ref }: Held): string => `${client} ${ref}`
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Letters typed in one turn: the event loop must still send and receive, and a turn must be short. */
const lettersPerTurn = 4
/** Edits replayed in one turn. */
const editsPerTurn = 200
/** Documents that are being opened at a time: more are refused by one of the subjects. */
const openAtOnce = 50

function clientOf(name: string): Client {
  const client = clients.get(name)
  if (client === undefined) throw new Error(`no client ${name}`)
  return client
}

function documentOf(held: Held): Document {
  const document = documents.get(keyOf(held))
  if (document === undefined) throw new Error(`${held.client} has not opened ${held.ref}`)
  return document
}

function keep(client: string, document: Document): string {
  documents.set(keyOf({ client, ref: document.ref }), document)
  return document.ref
}

/** Resolves when the condition holds, looking again after each change that arrives. */
function when(document: Document, isTrue: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    let isDone = false
    const look = (): void => {
      if (isDone || !isTrue()) return
      isDone = true
      resolve()
    }
    document.onRemote(look)
    look()
  })
}

const isText = (document: Document, length: number, hash: string): boolean =>
  document.length() === length && sha256(document.text()) === hash

/** Places are spread over the text in the same way for every subject. */
const placeOf = (index: number, length: number): number => (index * 7_919) % (length + 1)

async function inParallel<In, Out>(inputs: readonly In[], work: (input: In) => Promise<Out>): Promise<Out[]> {
  const outputs: Out[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < inputs.length; index = next++) {
      const input = inputs[index]
      if (input !== undefined) outputs[index] = await work(input)
    }
  }
  await Promise.all(Array.from({ length: openAtOnce }, worker))
  return outputs
}

const commands: Commands = {
  async connect({ client, endpoint, home }) {
    const own = join(home, client)
    mkdirSync(own, { recursive: true, mode: 0o700 })
    clients.set(client, await connect({ endpoint, home: own }))
  },
  async create({ client, name, text, isUrgent }) {
    const document = await clientOf(client).create(name, text)
    if (isUrgent !== true) await document.settled()
    return keep(client, document)
  },
  async createMany({ client, count, text }) {
    const names = Array.from({ length: count }, (_, index) => `many-${index}`)
    const made = await inParallel(names, (name) => clientOf(client).create(name, text))
    await Promise.all(made.map((document) => document.settled()))
    return made.map((document) => document.ref)
  },
  async open({ client, ref }) {
    keep(client, await clientOf(client).open(ref))
  },
  async watch(held) {
    const document = documentOf(held)
    const marks = { lengths: [] as number[], atMs: [] as number[] }
    marksOf.set(document, marks)
    document.onRemote(() => {
      marks.lengths.push(document.text().length)
      marks.atMs.push(nowMs())
    })
  },
  async seen({ length, ...held }): Promise<Marks> {
    const document = documentOf(held)
    await when(document, () => document.length() >= length)
    return marksOf.get(document) ?? { lengths: [], atMs: [] }
  },
  async type({ count, everyMs, ...held }) {
    const document = documentOf(held)
    const atMs: number[] = []
    const startMs = nowMs()
    for (let index = 0; index < count; index++) {
      if (everyMs > 0) await pause(Math.max(0, startMs + index * everyMs - nowMs()))
      else if (index % lettersPerTurn === 0) await nextTurn()
      const at = placeOf(index, document.length())
      atMs.push(nowMs())
      document.change([[at, 0, 'x']])
    }
    return atMs
  },
  settle: (held) => documentOf(held).settled(),
  async replay({ upTo, perChange, ...held }) {
    const document = documentOf(held)
    const groups = groupEdits(loadAutomergePaper(), upTo, perChange)
    const groupsPerTurn = Math.max(1, Math.floor(editsPerTurn / perChange))
    const startMs = nowMs()
    for (const [index, edits] of groups.entries()) {
      document.change(edits)
      if (index % groupsPerTurn === groupsPerTurn - 1) await nextTurn()
    }
    return { startMs, writtenMs: nowMs() - startMs }
  },
  async whenText({ length, sha256: hash, ...held }) {
    const document = documentOf(held)
    await when(document, () => isText(document, length, hash))
    return nowMs()
  },
  async openCold({ endpoint, home, ref, length, sha256: hash }) {
    const startMs = nowMs()
    const client = await connect({ endpoint, home })
    const document = await client.open(ref)
    await when(document, () => isText(document, length, hash))
    return nowMs() - startMs
  },
  async openMany({ endpoint, home, refs, length }) {
    const startMs = nowMs()
    const client = await connect({ endpoint, home })
    await inParallel(refs, async (ref) => {
      const document = await client.open(ref)
      await when(document, () => document.text().length === length)
    })
    return nowMs() - startMs
  },
  goOffline: ({ client }) => clientOf(client).goOffline(),
  readyToGoOnline: ({ client }) => clientOf(client).readyToGoOnline(),
  async goOnline({ client }) {
    const atMs = nowMs()
    clientOf(client).goOnline()
    return atMs
  },
  async killAt({ length, pid, ...held }) {
    const document = documentOf(held)
    let seen = 0
    await when(document, () => {
      seen = document.length()
      if (seen < length) return false
      process.kill(pid, 'SIGKILL')
      return true
    })
    return seen
  },
  async lengthAfter({ length, quietMs, ...held }) {
    const document = documentOf(held)
    let changedAtMs = nowMs()
    document.onRemote(() => {
      changedAtMs = nowMs()
    })
    while (document.length() < length && nowMs() - changedAtMs < quietMs) await pause(20)
    return document.length()
  },
}

const run = commands as unknown as Readonly<Record<CommandName, (input: unknown) => Promise<unknown>>>

async function answer(line: string): Promise<void> {
  const { id, command, input } = JSON.parse(line) as { id: number; command: CommandName; input: unknown }
  let reply: object
  try {
    reply = { id, result: await run[command](input) }
  } catch (error) {
    reply = { id, error: error instanceof Error ? error.message : String(error) }
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`)
}

createInterface({ input: process.stdin })
  .on('line', (line) => void answer(line))
  .on('close', () => process.exit(0))
