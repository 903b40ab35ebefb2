/**
 * Whoever breaks the rules of the sync conversation is told once and loses that stream: not the connection, not the
 * streams beside it, and nobody else anything.
 */
import { describe, expect, it } from 'vitest'
import { limits, pluginProtocols } from '../../protocol/index.ts'
import { authorOf, withoutEffect } from '../fixtures/approval-world.ts'
import { type Attack, attack, attacked, groundFor, ownerWrites, watching } from '../fixtures/attack.ts'
import type { Author } from '../fixtures/author.ts'
import { samples } from '../fixtures/hostile-frames.ts'
import type { Heard } from '../fixtures/wire-stream.ts'

type Tip = ReturnType<Author['tip']>

/** What breaks the conversation itself: said once, and the stream ends. */
const breaches: Record<string, { code: string; frames(attack: Attack): object[] }> = {
  'an even handle': { code: 'malformed', frames: (on) => [{ ...samples.sync.create(groundFor(on)), handle: 2 }] },
  'a handle twice': {
    code: 'malformed',
    frames: (on) => [
      { ...samples.sync.create(groundFor(on)), handle: 7, label: 'notes' },
      { ...samples.sync.create(groundFor(on)), handle: 7, label: 'notes' },
    ],
  },
  'credit that was never used': { code: 'malformed', frames: () => [{ t: 'credit', bytes: limits.creditBytes }] },
  'poison in a block that was never introduced': {
    code: 'unknown-handle',
    frames: (on) => [{ ...samples.sync.poison(groundFor(on)), handle: 4_711 }],
  },
  'a second open': { code: 'wrong-state', frames: (on) => [samples.sync.open(groundFor(on))] },
  'have that nobody asked for': { code: 'wrong-state', frames: (on) => [samples.sync.have(groundFor(on))] },
  'a run in an unknown encoding': {
    code: 'malformed',
    frames: (on) => [{ ...samples.sync.delta(groundFor(on)), run: Uint8Array.of(255, 1, 2, 3) }],
  },
  'a watch that is no pattern': { code: 'invalid-input', frames: () => [{ t: 'watch', pattern: 'space:home/../*' }] },
}

const { dialler, listener } = pluginProtocols.sync

describe('a breach of the conversation', () => {
  it('ends its stream with the code, and neither the connection nor anyone else', async () => {
    const on = await attack()
    for (const [what, { code, frames }] of Object.entries(breaches)) {
      const { sync } = await watching(on.connection)
      await withoutEffect(on.daemon, async () => {
        sync.send(...frames(on))
        await sync.end()
      })
      expect(sync.heard.at(-1), what).toMatchObject({ t: 'done', reason: code })
      await ownerWrites(on)
    }
    expect(on.connection.dialled.connection.status).toBe('open')
    on.sync.send(authorOf(on.daemon, on.mallory, attacked).delta(on.handle))
    await on.sync.frame('ack')
  })

  it('by anything but open first ends the stream', async () => {
    const on = await attack()
    const later = Object.entries(samples.sync).filter(([type]) => type !== 'open' && type !== 'done')
    expect(later.length).toBeGreaterThan(5)
    await withoutEffect(on.daemon, async () => {
      for (const [type, make] of later) {
        const stream = await on.connection.open('sync')
        stream.send(make(groundFor(on)))
        await stream.end()
        expect(stream.heard, type).toMatchObject([{ t: 'done', reason: 'wrong-state' }])
      }
    })
  })

  it('by a frame that only the daemon may say ends the stream', async () => {
    const on = await attack()
    const types = Object.keys(listener).filter((type) => !Object.hasOwn(dialler, type))
    expect(types).toContain('ack')
    await withoutEffect(on.daemon, async () => {
      for (const type of types) {
        const { sync } = await watching(on.connection)
        sync.send({ t: type, n: Number.MAX_SAFE_INTEGER, handle: on.handle })
        await sync.end()
        expect(sync.heard.at(-1), type).toMatchObject({ t: 'done', reason: 'unknown-frame' })
      }
    })
  })

  it('by naming another replica than the hello ends the stream', async () => {
    const on = await attack()
    await withoutEffect(on.daemon, async () => {
      const stream = await on.connection.open('sync')
      stream.send({ ...samples.sync.open(groundFor(on)), replica: on.owner.plugin.replica })
      await stream.end()
      expect(stream.heard).toMatchObject([{ t: 'done', reason: 'wrong-state' }])
    })
  })

  it('by writing three times the credit at once holds nobody up', async () => {
    const on = await attack()
    const junk = new Uint8Array(limits.maxFrameBytes - 4_096)
    const { tips } = on.sync.heard.find(({ t }) => t === 'delta') as Heard & { tips: Tip[] }
    const [tip] = tips.map(({ actor, seq, hash, signature }) => ({ actor, seq, hash, signature }))
    await withoutEffect(on.daemon, async () => {
      for (let n = 0; n < 12 && !on.sync.channel.ended.aborted; n++) {
        on.sync.send({ t: 'delta', handle: on.handle, run: junk, tips: [tip] })
      }
      await on.sync.end()
    })
    await ownerWrites(on)
    const { sync, handle } = await watching(on.connection)
    sync.send(authorOf(on.daemon, on.mallory, attacked).delta(handle))
    await sync.frame('ack')
  })
})
