/**
 * A plugin process that types one person's part of a recorded session: as far as it knows what that person knew, and then
 * waits for more. Run as `typist.ts PERSON EDITS HOME TICKET`. Says `at N` as it goes, `blocked N` when it waits, `through`
 * when both parts are there; `echoed N`, when it was sent what it had made; obeys `flush`. Started again it goes on after
 * what its replica holds.
 */
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import * as A from '@automerge/automerge'
import { definePlugin, runPlugin } from '../../plugin-sdk/index.ts'
import { type BlockHandle, splice } from '../../plugin-sdk/memory/index.ts'
import { Channel, decodeValue, schemaNamed } from '../../protocol/index.ts'
import { actorPrefix, decodeRun, readChange } from '../../protocol/sync/index.ts'
import { readSession, type Step, View } from './session-model.ts'

const [person = '0', edits = '0', home = '', ticket = ''] = process.argv.slice(2)
const session = readSession(Number(edits))
const [mine = [], theirs = []] = person === '0' ? session.people : [...session.people].reverse()

const address = 'space:soak/session'
/** Edits made in one turn: the event loop must still send, receive and beat. */
const editsPerTurn = 20

const nothing = { removes: [], inserts: [] }
const say = (line: string): boolean => process.stdout.write(`${line}\n`)
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Hashes of what this process made; what an earlier one lost when it was killed may well be sent to it. */
const made = new Set<string>()
let echoed = 0
const next = Channel.prototype.next
Channel.prototype.next = async function (this: Channel) {
  const body = await next.call(this)
  const frame = body === undefined ? {} : (decodeValue(body) as { t?: string; run?: Uint8Array })
  if (frame.t === 'delta' && frame.run !== undefined) {
    const again = decodeRun(frame.run).filter((chunk) => made.has(readChange(chunk).hash))
    if (again.length > 0) {
      echoed += again.length
      say(`echoed ${echoed}`)
    }
  }
  return body
}

class Typist {
  readonly #block: BlockHandle<'text'>
  readonly #isMine: (actor: string) => boolean
  readonly #view = new View(session.places)
  #heads: A.Heads = []
  #made = 0
  #known = 0
  /** Edits of this process that were not met in the document yet. */
  #unlearned = 0

  constructor(block: BlockHandle<'text'>, prefix: string) {
    this.#block = block
    this.#isMine = (actor) => actor.startsWith(prefix)
  }

  /** Counts what has come since, and takes it in. */
  learn(): void {
    const doc = this.#block.value
    const { actor: initial } = schemaNamed('text').initial
    for (const { actor, hash } of A.getChangesMetaSince(doc, this.#heads)) {
      if (this.#isMine(actor)) {
        // Otherwise it was here when this process began, or came back to it.
        if (this.#unlearned > 0) {
          this.#unlearned--
          made.add(hash)
        } else this.#view.apply(mine[this.#made++] ?? nothing)
      } else if (actor !== initial) this.#view.apply(theirs[this.#known++] ?? nothing)
    }
    this.#heads = A.getHeads(doc)
  }

  async type(): Promise<void> {
    for (;;) {
      this.learn()
      let more = editsPerTurn
      for (let step = mine[this.#made]; more > 0 && step !== undefined && step.knows <= this.#known; more--) {
        this.#edit(step)
        step = mine[++this.#made]
      }
      say(`at ${this.#made}`)
      if (this.#made === mine.length && this.#known === theirs.length) break
      if (more < editsPerTurn) await nextTurn()
      else await this.#more()
    }
    say('through')
  }

  async #more(): Promise<void> {
    say(`blocked ${this.#made}`)
    await new Promise<void>((resolve) => {
      const stop = this.#block.on('change', () => {
        stop()
        resolve()
      })
    })
  }

  #edit({ removes, inserts, text }: Step): void {
    const view = this.#view
    this.#block.change((draft) => {
      let isEmpty = true
      for (const place of removes) {
        // The other person was faster.
        if (!view.has(place)) continue
        splice(draft, ['text'], view.before(place), 1)
        view.apply({ removes: [place], inserts: [] })
        isEmpty = false
      }
      const [first] = inserts
      if (first !== undefined) splice(draft, ['text'], view.before(first), 0, text)
      else if (isEmpty) {
        // Every edit is a change, so that the other one can count them.
        splice(draft, ['text'], 0, 0, ' ')
        splice(draft, ['text'], 0, 1)
      }
      view.apply({ removes, inserts })
    })
    this.#unlearned++
  }
}

const plugin = definePlugin({
  name: `typist-${person}`,
  version: '1.0.0',
  wants: ['read', 'write', 'create'].map((right) => `blocks:${right}:space:soak/*`),
  async setup(host, { signal }) {
    const block = await host.open(address, 'text')
    const typist = new Typist(block, Buffer.from(actorPrefix(host.self.daemon, host.self.peer)).toString('hex'))
    typist.learn()
    say('open')
    // What was sent and not yet stored when an earlier process was killed comes back: it must not be typed twice.
    await block.live({ signal })
    createInterface({ input: process.stdin }).on('line', (line) => {
      if (line !== 'flush') return
      block.flushed().then(() => {
        const hash = createHash('sha256').update(block.value.text).digest('hex')
        say(`flushed ${hash}`)
      }, console.error)
    })
    await typist.type()
  },
})

const running = await runPlugin(plugin, {
  ticket,
  home,
  reporter: { pending: () => {}, approved: () => {}, granted: () => {} },
})
process.stdin.on('end', () => process.exit(0))
await running.done
