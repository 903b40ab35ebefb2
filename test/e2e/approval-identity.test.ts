/**
 * Nobody writes as somebody else: whatever mallory says about who wrote what, the code is the right one, nothing is
 * stored, and the owner of the block can still write.
 */
import { describe, expect, it } from 'vitest'
import { encodeRun } from '../../protocol/sync/index.ts'
import { authorOf, makeBlock, withoutEffect } from '../fixtures/approval-world.ts'
import { type Attack, attacked as address, attack, groundFor, ownerWrites } from '../fixtures/attack.ts'
import { Author } from '../fixtures/author.ts'
import { samples } from '../fixtures/hostile-frames.ts'
import type { Heard } from '../fixtures/wire-stream.ts'

/** Frames that are well-formed and lie; each is refused by itself and the stream goes on. */
const lies: Record<string, { code: string; frame(attack: Attack): object }> = {
  "the owner's actor, signed by mallory": {
    code: 'actor-not-owned',
    frame: ({ daemon, owner, mallory, handle }) =>
      new Author({ daemon: daemon.peer, peer: owner.plugin.peer, seed: mallory.seed, address }).delta(handle),
  },
  "the owner's actor, signed by the owner": {
    code: 'actor-not-owned',
    frame: ({ daemon, owner, handle }) => authorOf(daemon, owner.plugin, address).delta(handle),
  },
  "mallory's actor towards another daemon": {
    code: 'actor-not-owned',
    frame: ({ owner, mallory, handle }) =>
      new Author({ daemon: owner.plugin.peer, peer: mallory.peer, seed: mallory.seed, address }).delta(handle),
  },
  'a signature by another key': {
    code: 'bad-signature',
    frame: ({ daemon, owner, mallory, handle }) =>
      new Author({ daemon: daemon.peer, peer: mallory.peer, seed: owner.plugin.seed, address }).delta(handle),
  },
  'a signature with one bit changed': {
    code: 'bad-signature',
    frame: (on) => withTip(on, ({ signature, ...tip }) => ({ ...tip, signature: flipped(signature) })),
  },
  'a signature for another block': {
    code: 'bad-signature',
    frame: ({ daemon, mallory, handle }) => authorOf(daemon, mallory, 'space:home/other').delta(handle),
  },
  'a signature for another generation': {
    code: 'bad-signature',
    frame: ({ daemon, mallory, handle }) =>
      new Author({ daemon: daemon.peer, peer: mallory.peer, seed: mallory.seed, address, generation: 2 }).delta(handle),
  },
  'a tip of another change': {
    code: 'bad-signature',
    frame: (on) => withTip(on, (tip) => ({ ...tip, hash: 'ab'.repeat(32) })),
  },
  'a tip with another seq': {
    code: 'bad-signature',
    frame: (on) => withTip(on, (tip) => ({ ...tip, seq: tip.seq + 1 })),
  },
  'a tip of another actor': {
    code: 'bad-signature',
    frame: (on) => withTip(on, (tip) => ({ ...tip, actor: on.ownerAuthor.actor })),
  },
  'a change without the one before it': {
    code: 'missing-deps',
    frame: ({ daemon, mallory, handle }) => {
      const author = authorOf(daemon, mallory, address)
      author.change()
      return author.delta(handle)
    },
  },
  'a handle that was never introduced': {
    code: 'unknown-handle',
    frame: ({ daemon, mallory }) => authorOf(daemon, mallory, address).delta(4_711),
  },
  'bytes that are no change': {
    code: 'bad-change',
    frame: (on) => {
      const author = authorOf(on.daemon, on.mallory, address)
      const change = author.change()
      const bytes = change.bytes.slice()
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
      return { t: 'delta', handle: on.handle, run: encodeRun([bytes]), tips: [author.tip([change])] }
    },
  },
}

type TipOf = ReturnType<Author['tip']>

function withTip({ daemon, mallory, handle }: Attack, change: (tip: TipOf) => object): object {
  const author = authorOf(daemon, mallory, address)
  const made = [author.change()]
  return { ...author.delta(handle, made), tips: [change(author.tip(made))] }
}

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  copy[0] = (copy[0] ?? 0) ^ 1
  return copy
}

describe('a lie about who wrote what', () => {
  it('is refused with its code, every time on a stream that goes on, and the owner can still write', async () => {
    const on = await attack()
    let sent = 0
    for (const [what, { code, frame }] of Object.entries(lies)) {
      const from = on.sync.heard.length
      await withoutEffect(on.daemon, async () => {
        on.sync.send(frame(on))
        sent++
        expect(await on.sync.frame('refuse', from), what).toMatchObject({ n: sent, code })
        await on.sync.until(({ t, n }) => t === 'ack' && n === sent, `the settlement of ${what}`, from)
      })
      await ownerWrites(on)
    }
    on.sync.send(authorOf(on.daemon, on.mallory, address).delta(on.handle))
    await on.sync.until(({ t, n }) => t === 'ack' && n === sent + 1, 'an honest change of mallory')
    expect(on.sync.heard.filter(({ t }) => t === 'refuse')).toHaveLength(sent)
  })

  it('that repeats what the owner wrote, signature and all, stores nothing twice', async () => {
    const on = await attack()
    const { run, tips } = on.sync.heard.find(({ t }) => t === 'delta') as Heard & { tips: TipOf[] }
    const replayed = tips.map(({ actor, seq, hash, signature }) => ({ actor, seq, hash, signature }))
    await withoutEffect(on.daemon, async () => {
      on.sync.send({ t: 'delta', handle: on.handle, run, tips: replayed })
      await on.sync.frame('ack')
    })
    await ownerWrites(on)
  })

  it('that tells two stories under one seq is refused, and the first one stands', async () => {
    const on = await attack()
    const random = (): Uint8Array => new Uint8Array(8).fill(7)
    const init = { daemon: on.daemon.peer, peer: on.mallory.peer, seed: on.mallory.seed, address, random }
    const [one, other] = [new Author(init), new Author(init)]
    on.sync.send(one.delta(on.handle))
    await on.sync.until(({ t, n }) => t === 'ack' && n === 1, 'the first story')
    await withoutEffect(on.daemon, async () => {
      on.sync.send(other.delta(on.handle, [other.change(4_711)]))
      expect(await on.sync.frame('refuse')).toMatchObject({ n: 2, code: 'equivocation' })
    })
    on.sync.send(one.delta(on.handle))
    await on.sync.until(({ t, n }) => t === 'ack' && n === 3, 'the second change of the first story')
    expect(on.sync.heard.filter(({ t }) => t === 'refuse')).toHaveLength(1)
    await ownerWrites(on)
  })
})

describe('a block that mallory makes', () => {
  it('has a handle of its own, also while two are being made', async () => {
    const on = await attack()
    const create = samples.sync.create(groundFor(on))
    on.sync.send({ ...create, handle: 9, label: 'one' }, { ...create, handle: 9, label: 'two' })
    await on.sync.end()
    expect(on.sync.heard.at(-1)).toMatchObject({ t: 'done', reason: 'malformed' })
    const { blocks } = await on.daemon.control.block.list({ after: '', limit: 10 })
    expect(blocks.map((block) => block.address)).not.toContain('space:home/two')
  })

  it('is hers by her connection, whatever else is said', async () => {
    const on = await attack()
    await makeBlock(on.daemon, on.mallory, on.sync, { handle: 9, scope: 'space:home', label: 'hers' })
    const { blocks } = await on.daemon.control.block.list({ after: '', limit: 10 })
    const owners = Object.fromEntries(blocks.map((block) => [block.address, block.owner]))
    expect(owners).toMatchObject({ 'space:home/hers': on.mallory.peer, [address]: on.owner.plugin.peer })
  })

  it('cannot take the place of one that is there', async () => {
    const on = await attack()
    await withoutEffect(on.daemon, async () => {
      on.sync.send({ t: 'create', handle: 11, scope: 'space:home', label: 'notes', schema: 'text', meta: {} })
      expect(await on.sync.frame('refuse')).toMatchObject({ handle: 11, code: 'address-taken' })
      on.sync.send({ t: 'create', handle: 13, scope: 'space:home', label: 'new', schema: 'constructor', meta: {} })
      const from = on.sync.heard.findIndex(({ t }) => t === 'refuse') + 1
      expect(await on.sync.frame('refuse', from)).toMatchObject({ handle: 13, code: 'unknown-schema' })
    })
    await ownerWrites(on)
  })
})
