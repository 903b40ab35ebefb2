/**
 * Writes changes of a text without the document engine, so that a client costs little beside the daemon that is measured:
 * each is an honest one that types a letter behind the last. Keeps: what is made is what the engine would have made.
 */
import { createHash, randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as A from '@automerge/automerge'
import {
  type BlockAddress,
  type ChangeHash,
  encodeValue,
  type Infer,
  type PeerId,
  schemaNamed,
} from '../../../protocol/index.ts'
import {
  actorPrefix,
  encodeRun,
  makeActor,
  readChange,
  signTip,
  type syncFrames,
} from '../../../protocol/sync/index.ts'
import { assemble, type ChangeParts, columnIds, takeApart } from '../../fixtures/change-builder.ts'
import { deltas, uleb } from '../../fixtures/change-encoding.ts'

export interface AuthorInit {
  readonly daemon: PeerId
  readonly peer: PeerId
  readonly seed: Uint8Array
  readonly address: BlockAddress
  readonly generation: number
  readonly handle: number
}

/** An encoded delta frame. */
export interface ReadyFrame {
  readonly body: Uint8Array
  readonly runBytes: number
  readonly changes: number
}

type Delta = Infer<typeof syncFrames.dialler.delta>

export class Author {
  readonly #init: AuthorInit
  readonly #actor: Delta['tips'][number]['actor']
  readonly #sample: ChangeParts
  #waiting: Uint8Array[]
  #seq: number
  /** Counter of the newest operation. */
  #op: number
  #hash: Uint8Array

  constructor(init: AuthorInit) {
    this.#init = init
    const actor = makeActor(actorPrefix(init.daemon, init.peer), new Uint8Array(randomBytes(8)))
    let doc = A.load<{ text: string }>(schemaNamed('text').initial.bytes, { actor })
    const made = [0, 1].map((at) => {
      doc = A.change(doc, { time: 0 }, (draft) => A.splice(draft, ['text'], at, 0, 'x'))
      const bytes = A.getLastLocalChange(doc)
      if (bytes === undefined) throw new Error('the engine made no change')
      return bytes
    })
    const last = made[1] ?? new Uint8Array(0)
    const facts = readChange(last)
    this.#waiting = made
    this.#actor = facts.actor
    this.#sample = takeApart(last)
    this.#seq = facts.seq
    this.#op = facts.maxOp
    this.#hash = Buffer.from(facts.hash, 'hex')
    A.free(doc)
  }

  /** The next frames, of so many changes each. Lets the process say meanwhile that it is alive. */
  async frames(changes: number, perFrame: number): Promise<ReadyFrame[]> {
    const frames: ReadyFrame[] = []
    for (let left = changes; left > 0; left -= perFrame) {
      frames.push(this.#frame(Math.min(left, perFrame)))
      await nextTurn()
    }
    return frames
  }

  #frame(amount: number): ReadyFrame {
    const chunks = Array.from({ length: amount }, () => this.#waiting.shift() ?? this.#next())
    const { address, generation, handle, seed } = this.#init
    const { actor, seq, hash } = readChange(chunks.at(-1) ?? new Uint8Array(0))
    const run = encodeRun(chunks, 'deflate')
    const signature = signTip(seed, { address, generation, actor, seq, hash })
    const frame: Delta & { t: 'delta' } = {
      t: 'delta',
      handle,
      run,
      tips: [{ actor: this.#actor, seq, hash, signature }],
    }
    return { body: encodeValue(frame), runBytes: run.byteLength, changes: amount }
  }

  #next(): Uint8Array {
    const columns = this.#sample.columns.map((column) =>
      column.id === columnIds.keyCtr ? { ...column, data: deltas([this.#op]) } : column,
    )
    this.#seq++
    this.#op++
    const chunk = assemble({
      ...this.#sample,
      deps: [this.#hash],
      seq: uleb(this.#seq),
      startOp: uleb(this.#op),
      columns,
    })
    this.#hash = createHash('sha256').update(chunk.subarray(8)).digest()
    return chunk
  }

  /** Hash of the newest change that was made. */
  get hash(): ChangeHash {
    return Buffer.from(this.#hash).toString('hex') as ChangeHash
  }
}
