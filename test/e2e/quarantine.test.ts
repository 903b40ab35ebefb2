/** Poison in the log of a real daemon: it starts, shows the block without it, and the operator sees what happened. */
import { describe, expect, it } from 'vitest'
import { openStorage } from '../../daemon/storage/index.ts'
import { alice, daemonPerson, mallory } from '../fixtures/cast.ts'
import { Home } from '../fixtures/command-line.ts'
import { poisons } from '../fixtures/poison-kinds.ts'
import { actorOf, insert, textDoc } from '../fixtures/raw-replica.ts'
import { silentLog } from '../fixtures/sync-world.ts'
import { VerifiedWorld } from '../fixtures/verified-world.ts'

interface Listed {
  readonly changes: readonly { hash: string; address: string; peer: string; name: string; reason: string }[]
}

describe('a log with poison', () => {
  it('never keeps the daemon from starting, and the rest is served', async () => {
    const home = new Home()
    await home.json('up')
    await home.json('down')
    const init = { backend: 'sqlite', dir: home.path, log: silentLog, self: daemonPerson.peer } as const
    const world = await VerifiedWorld.open(await openStorage(init))
    const texts = poisons.filter(({ schema }) => schema === 'text')
    const sent: Uint8Array[] = []
    for (const [index, poison] of texts.entries()) {
      const { id } = await world.block(`space:home/block-${index}`)
      const made = poison.make(actorOf(alice), actorOf(mallory))
      sent.push(made.poison)
      await world.inject(id, alice, made.honest)
      await world.inject(id, mallory, made.poison)
    }
    const { id } = await world.block('space:home/fine')
    await world.inject(id, alice, insert(textDoc(actorOf(alice)), 0, 'untouched').bytes)
    await world.close()

    await home.json('up')
    expect(await home.json('block', 'show', 'space:home/fine')).toMatchObject({ text: 'untouched' })
    for (const index of texts.keys()) {
      // One of them is only found when the block is verified, which happens by itself a little later.
      await home.json('block', 'show', `space:home/block-${index}`)
    }
    let listed: Listed = { changes: [] }
    while (listed.changes.length < texts.length) listed = await home.json<Listed>('quarantine', 'list')
    expect(new Set(listed.changes.map(({ peer, name }) => `${peer} ${name}`))).toEqual(
      new Set([`${mallory.peer} mallory`]),
    )
    for (const index of texts.keys()) {
      expect(await home.json('block', 'show', `space:home/block-${index}`)).toMatchObject({ text: 'hello' })
    }
    expect(await home.json('status')).toMatchObject({
      quarantined: texts.length,
      suspended: 1,
      suspensions: [{ name: 'mallory', reason: expect.stringMatching(/^change [0-9a-f]{12} of space:home\/block-/) }],
    })
    const { peers } = await home.json<{ peers: { name: string; state: string; suspended?: string }[] }>('peers')
    expect(peers.filter(({ suspended }) => suspended !== undefined)).toMatchObject([
      { name: 'mallory', state: 'approved' },
    ])

    const [first] = listed.changes
    const prefix = first?.hash.slice(0, 12) ?? ''
    const { base64 } = await home.json<{ base64: string }>('quarantine', 'export', prefix)
    expect(sent.map((bytes) => Buffer.from(bytes).toString('base64'))).toContain(base64)
    expect(await home.json('release', 'mallory')).not.toHaveProperty('suspended')
    expect(await home.json('quarantine', 'release', prefix)).toEqual({ changes: [first?.hash] })
    // It is as bad as before, and so is set aside again.
    for (;;) {
      const { changes } = await home.json<Listed>('quarantine', 'list')
      if (changes.some(({ hash }) => hash === first?.hash)) break
    }
    await home.json('down')
    await home.json('up')
    expect((await home.json<Listed>('quarantine', 'list')).changes).toHaveLength(texts.length)
    expect(await home.json('status')).toMatchObject({ suspended: 1 })
  })
})
