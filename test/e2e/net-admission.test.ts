/** Who gets in, and how fast, over real sockets on the loopback interface: floods and wrong keys included. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import { describe, expect, it } from 'vitest'
import { createDialler, type Dialled } from '../fixtures/dialler.ts'
import { openHalf } from '../fixtures/half-open.ts'
import { createWorld, hello, patientClock, type World } from '../fixtures/net-world.ts'

const portOf = (world: World): number => Number(/\/(?:udp|tcp)\/(\d+)/.exec(world.address())?.[1])

describe('admission', () => {
  it('lets 12 approved plugins in at once while 50 handshakes hang', async () => {
    const world = await createWorld()
    await openHalf(50, portOf(world))
    const plugins = await Promise.all(Array.from({ length: 12 }, () => createDialler()))
    for (const { peer } of plugins) world.setStanding(peer, 'approved')
    // A hung handshake holds a serial accept for ten seconds, longer than a dial waits.
    const answers = await Promise.all(plugins.map(async (plugin) => hello(await plugin.dial(world.address())).next()))
    expect(answers.map(({ state }) => state)).toEqual(Array(12).fill('welcome'))
    expect(world.links.live()).toHaveLength(12)
  })

  it('never lets a full lobby delay an approved key', async () => {
    const world = await createWorld({ lobby: { maxPerAddress: 1_000 }, clock: patientClock })
    const strangers = await Promise.all(Array.from({ length: 80 }, () => createDialler()))
    const connections: Dialled[] = []
    for (const [index, stranger] of strangers.entries()) {
      const dialled = await stranger.dial(world.address())
      connections.push(dialled)
      if (index >= 64) continue
      world.setStanding(stranger.peer, 'pending')
      expect(await hello(dialled).next()).toMatchObject({ state: 'pending' })
    }
    await expect.poll(() => world.links.lobbySize).toEqual({ arriving: 16, parked: 64 })
    const alice = await createDialler()
    world.setStanding(alice.peer, 'approved')
    expect(await hello(await alice.dial(world.address())).next()).toMatchObject({ state: 'welcome' })
    expect(world.links.lobbySize).toEqual({ arriving: 16, parked: 64 })
    expect(connections.every(({ connection }) => connection.status === 'open')).toBe(true)

    const late = await createDialler()
    await late.dial(world.address())
    await connections[64]?.closed
    expect(world.links.lobbySize).toEqual({ arriving: 16, parked: 64 })
  })

  it('tells a parked plugin that it was let go, and when to come back', async () => {
    const world = await createWorld({ lobby: { maxParked: 1 } })
    const [alice, bob] = [await createDialler(), await createDialler()]
    for (const { peer } of [alice, bob]) world.setStanding(peer, 'pending')
    const first = hello(await alice.dial(world.address()))
    expect(await first.next()).toMatchObject({ state: 'pending' })
    const refused = expect(first.next()).rejects.toMatchObject({ code: 'lobby-full', retryAfterMs: 30_000 })
    expect(await hello(await bob.dial(world.address())).next()).toMatchObject({ state: 'pending' })
    await refused
  })

  it('tells a parked plugin the moment it is approved', async () => {
    const world = await createWorld()
    const alice = await createDialler()
    world.setStanding(alice.peer, 'pending')
    const greeting = hello(await alice.dial(world.address()))
    expect(await greeting.next()).toMatchObject({ state: 'pending' })
    world.setStanding(alice.peer, 'approved')
    expect(await greeting.next()).toMatchObject({ state: 'welcome' })
    expect(world.links.lobbySize).toEqual({ arriving: 0, parked: 0 })
  })

  it('refuses to be taken for another daemon', async () => {
    const world = await createWorld()
    const [alice, mallory] = [await createDialler(), await createDialler()]
    const address = world.address().replace(/\/p2p\/.*$/, `/p2p/${mallory.peer}`)
    await expect(alice.dial(address)).rejects.toBeDefined()
    await expect.poll(() => world.links.has(alice.peer)).toBe(false)
    expect(world.links.live()).toEqual([])
  })

  it('falls back to TCP on the same port and key', async () => {
    const world = await createWorld({ tcp: true })
    const ports = world.node.addresses().map((address) => /\/(?:udp|tcp)\/(\d+)/.exec(address)?.[1])
    expect(new Set(ports).size).toBe(1)
    expect(world.node.addresses()[0]).toMatch(/\/quic-v1$/)
    const alice = await createDialler()
    world.setStanding(alice.peer, 'approved')
    const greeting = hello(await alice.dial(world.address('tcp')))
    expect(await greeting.next()).toMatchObject({ state: 'welcome' })
    expect(await greeting.client.daemon.echo({ text: 'over tcp' })).toEqual({ text: 'over tcp' })
  })

  it('refuses a key that is not Ed25519', async () => {
    const world = await createWorld({ tcp: true, clock: patientClock })
    const mallory = await createDialler(await generateKeyPair('secp256k1'))
    const dialled = await mallory.dial(world.address('tcp')).catch(() => undefined)
    await dialled?.closed
    expect(world.links.lobbySize).toEqual({ arriving: 0, parked: 0 })
  })

  it('says that a port is taken', async () => {
    const world = await createWorld({ tcp: true })
    await expect(createWorld({ port: portOf(world) })).rejects.toMatchObject({ code: 'address-in-use' })
    await expect(createWorld({ port: portOf(world), tcp: true })).rejects.toMatchObject({ code: 'address-in-use' })
  })

  it('says that a host is not of this machine', async () => {
    for (const tcp of [false, true]) {
      // Reserved for documentation: no machine has it.
      await expect(createWorld({ host: '192.0.2.55', tcp })).rejects.toMatchObject({ code: 'config-invalid' })
    }
  })

  it('stops with connections open, tells them, and stops only once', async () => {
    const world = await createWorld({ tcp: true })
    const [alice, bob] = [await createDialler(), await createDialler()]
    for (const { peer } of [alice, bob]) world.setStanding(peer, 'approved')
    const connections = [await alice.dial(world.address()), await bob.dial(world.address('tcp'))]
    const greetings = connections.map((dialled) => hello(dialled))
    for (const greeting of greetings) await greeting.next()
    const told = greetings.map((greeting) => expect(greeting.next()).rejects.toMatchObject({ code: 'daemon-stopping' }))
    const stopping = world.node.stop()
    expect(world.node.stop()).toBe(stopping)
    await Promise.all([stopping, ...told, ...connections.map(({ closed }) => closed)])
    expect(world.node.addresses()).toEqual([])
    await expect(createDialler().then((late) => late.dial(world.address()))).rejects.toBeDefined()
  })
})
