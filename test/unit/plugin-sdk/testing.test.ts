import { afterEach, describe, expect, it } from 'vitest'
import { definePlugin } from '../../../plugin-sdk/plugin.ts'
import { createTestHost, type TestHost, type TestHostInit } from '../../../plugin-sdk/testing.ts'
import { hostProtocol } from '../../../protocol/index.ts'

const started: TestHost[] = []
const create = (init?: TestHostInit) => {
  const test = createTestHost(init)
  started.push(test)
  return test
}
afterEach(() => Promise.all(started.splice(0).map((test) => test.stop())))

const block = {
  address: 'space:home/notes',
  generation: 1,
  schema: 'text',
  heads: [],
  text: 'hello',
  textHash: 'b'.repeat(64),
  totalChars: 5,
  problems: [],
} as never

describe('createTestHost', () => {
  it('runs a plugin as a daemon would: setup, calls, log, teardown', async () => {
    const test = create()
    const stop = await test.start(
      definePlugin({
        name: 'greeter',
        version: '1.0.0',
        wants: [],
        async setup(host) {
          const { text } = await host.daemon.echo({ text: 'ahoy' })
          host.log.info(text)
          return () => host.log.warn('goodbye')
        },
      }),
    )
    await stop()
    await test.flushed()
    expect(test.lines).toEqual([
      { level: 'info', text: 'ahoy' },
      { level: 'warn', text: 'goodbye' },
    ])
    expect(test.calls[0]).toEqual({ op: 'daemon.echo', input: { text: 'ahoy' } })
  })

  it('asks the handler of the test, and checks what it answers', async () => {
    const { host } = create({
      grants: ['blocks:read:space:home/*'],
      handlers: { 'block.get': ({ address }) => (address.endsWith('notes') ? block : ({ text: 1 } as never)) },
    })
    expect(await host.block.get({ address: 'space:home/notes' as never, offset: 0 })).toEqual(block)
    await expect(host.block.get({ address: 'space:home/other' as never, offset: 0 })).rejects.toMatchObject({
      code: 'malformed',
    })
  })

  it('checks grants as the daemon does, and follows their change', async () => {
    const test = create({ grants: ['blocks:read:space:work/*'], handlers: { 'block.get': () => block } })
    const heard: (readonly string[])[] = []
    test.host.on('grants', (grants) => heard.push(grants))
    const get = () => test.host.block.get({ address: 'space:home/notes' as never, offset: 0 })
    await expect(get()).rejects.toMatchObject({ code: 'grant-missing', detail: 'blocks:read:space:home/notes' })
    test.setGrants(['blocks:read:space:home/*'])
    await expect(get()).resolves.toEqual(block)
    expect(heard).toEqual([['blocks:read:space:home/*']])
  })

  it('predicts with can exactly what is granted', () => {
    const { host } = create({ grants: ['blocks:read:space:home/*', '!blocks:read:space:home/diary', 'ports:provide'] })
    expect(host.can('blocks:read:space:home/notes')).toBe(true)
    expect(host.can('blocks:read:space:home/diary')).toBe(false)
    expect(host.can('blocks:read:space:home/*')).toBe(false)
    expect(host.can('blocks:write:space:home/notes')).toBe(false)
    expect(host.can('ports:provide')).toBe(true)
    expect(() => host.can('blocks:read')).toThrow(expect.objectContaining({ code: 'invalid-input' }))
    expect(() => host.can('!blocks:read:space:home/notes')).toThrow(expect.objectContaining({ code: 'invalid-input' }))
  })

  it('has a method for each operation of the table but hello', () => {
    const { host } = create()
    const areas = host as unknown as Record<string, Record<string, unknown>>
    for (const name of Object.keys(hostProtocol.ops)) {
      const [area = '', verb = ''] = name.split('.')
      expect(typeof areas[area]?.[verb], name).toBe(name === 'session.hello' ? 'undefined' : 'function')
    }
  })

  it('loses its connection and gets it back when the test says so', async () => {
    const test = create({ handlers: { 'daemon.echo': () => new Promise<never>(() => {}) } })
    const states: string[] = []
    test.host.on('status', ({ state }) => states.push(state))
    const cut = test.host.daemon.echo({ text: 'x' })
    cut.catch(() => {})
    await new Promise((resolve) => setImmediate(resolve))
    test.setConnected(false)
    await expect(cut).rejects.toMatchObject({ code: 'connection-lost' })
    const waiting = test.host.session.self({})
    test.setConnected(true)
    expect(await waiting).toMatchObject({ name: 'test' })
    expect(states).toEqual(['offline', 'live'])
  })

  it('keeps a listener that throws from everything else', async () => {
    const test = create()
    const heard: string[] = []
    test.host.on('status', () => {
      throw new Error('mistake')
    })
    test.host.on('status', ({ state }) => heard.push(state))
    test.setStatus('offline', 'gone')
    await test.flushed()
    expect(heard).toEqual(['offline'])
    expect(test.lines).toEqual([{ level: 'error', text: 'a listener of status threw: mistake' }])
  })

  it('plays a long catch-up to whoever shows one', () => {
    const test = create()
    const shown: string[] = []
    const off = test.host.on('progress', ({ received, total }) => shown.push(`${received}/${total}`))
    test.setProgress({ received: 1, total: 4 })
    off()
    test.setProgress({ received: 4, total: 4 })
    expect(shown).toEqual(['1/4'])
  })

  it('refuses grants with a typing mistake', () => {
    expect(() => createTestHost({ grants: ['blocks:read'] })).toThrow(
      expect.objectContaining({ code: 'invalid-input' }),
    )
  })
})
