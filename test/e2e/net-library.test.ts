/** What the daemon's node offers to strangers, and what it remembers of them, seen from inside the network library. */
import type { Libp2p } from '@libp2p/interface'
import { describe, expect, it, vi } from 'vitest'
import { hostProtocol } from '../../protocol/index.ts'
import { createDialler } from '../fixtures/dialler.ts'
import { createWorld, echoFrames, hello, otherCalls, type World } from '../fixtures/net-world.ts'

const made = vi.hoisted(() => [] as Libp2p[])

vi.mock('libp2p', async (original) => {
  const library = await original<typeof import('libp2p')>()
  return {
    ...library,
    createLibp2p: async (init: Parameters<typeof library.createLibp2p>[0]) => {
      const node = await library.createLibp2p(init)
      made.push(node)
      return node
    },
  }
})

function insideOf(world: World): Libp2p {
  const library = made.find(({ peerId }) => peerId.toString() === world.node.peer)
  if (library === undefined) throw new Error('the node was not made with the library')
  return library
}

describe('the node', () => {
  it('offers the protocols it was given and no other', async () => {
    const world = await createWorld()
    expect(insideOf(world).getProtocols()).toEqual([hostProtocol.id, echoFrames, otherCalls].sort())
    expect(insideOf(world).services).toEqual({})
  })

  it('remembers no peer that is gone', async () => {
    const world = await createWorld()
    for (let n = 0; n < 10; n++) {
      const mallory = await createDialler()
      const dialled = await mallory.dial(world.address())
      if (n % 2 === 0) world.setStanding(mallory.peer, 'denied')
      await expect(hello(dialled).next()).rejects.toMatchObject({ category: 'denied' })
      await dialled.closed
    }
    const others = async () =>
      (await insideOf(world).peerStore.all()).filter(({ id }) => id.toString() !== world.node.peer)
    await expect.poll(others).toEqual([])
  })

  it('dials nobody', async () => {
    const [world, other] = [await createWorld(), await createWorld()]
    const { multiaddr } = await import('@multiformats/multiaddr')
    await expect(insideOf(world).dial(multiaddr(other.address()))).rejects.toBeDefined()
  })
})
