/** Actor ids that prove their owner, and tips that prove their author. */
import { generateKeyPairSync, sign } from 'node:crypto'
import * as Automerge from '@automerge/automerge'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { describe, expect, it } from 'vitest'
import { type ActorId, type BlockAddress, type ChangeHash, type PeerId, parsePeerId } from '../../../../protocol/ids.ts'
import {
  actorPrefix,
  makeActor,
  ownsActor,
  peerPublicKey,
  plainActor,
  signTip,
  type Tip,
  tipMessage,
  verifyTip,
} from '../../../../protocol/sync/actor.ts'

interface Identity {
  readonly peer: PeerId
  readonly seed: Uint8Array
  readonly publicKey: Uint8Array
}

async function makeIdentity(): Promise<Identity> {
  const key = await generateKeyPair('Ed25519')
  // libp2p keeps seed and public key in one array of 64 bytes.
  const peer = parsePeerId(peerIdFromPrivateKey(key).toString())
  return { peer, seed: key.raw.slice(0, 32), publicKey: key.publicKey.raw }
}

const daemon = await makeIdentity()
const alice = await makeIdentity()
const mallory = await makeIdentity()
const random = Uint8Array.from({ length: 8 }, (_, at) => at)
const tip: Tip = {
  address: 'space:home/notes' as BlockAddress,
  generation: 1,
  actor: makeActor(actorPrefix(daemon.peer, alice.peer), random),
  seq: 7,
  hash: 'ab'.repeat(32) as ChangeHash,
}

describe('actors', () => {
  it('belong to the peer and the daemon they were made for', () => {
    const { actor } = tip
    expect(actor).toMatch(/^[0-9a-f]{32}0001020304050607$/)
    expect(ownsActor(daemon.peer, alice.peer, actor)).toBe(true)
    expect(ownsActor(daemon.peer, mallory.peer, actor)).toBe(false)
    expect(ownsActor(mallory.peer, alice.peer, actor)).toBe(false)
    expect(ownsActor(alice.peer, daemon.peer, actor)).toBe(false)
  })

  it('have a prefix that is the same in every version', () => {
    const one = '12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf' as PeerId
    const other = '12D3KooWEChVMMMzV8acJ53mJHrw1pQ27UAGkCxWXLJutbeUMvVu' as PeerId
    expect(Buffer.from(actorPrefix(one, other)).toString('hex')).toBe('5e704670b18adef2e84f4163b95a5dde')
  })

  it('are recognised behind what Automerge puts before them for older versions', () => {
    let doc = Automerge.change(Automerge.init<Record<string, number>>({ actor: tip.actor }), (root) => {
      root.a = 0
    })
    const heads = Automerge.getHeads(doc)
    for (let n = 0; n < 140; n++) {
      doc = Automerge.changeAt(doc, heads, (root) => {
        root.a = n
      }).newDoc
    }
    const actors = new Set(Automerge.getAllChanges(doc).map((chunk) => Automerge.decodeChange(chunk).actor))
    expect(actors.size).toBeGreaterThan(130)
    expect([...actors].map((actor) => actor.length).sort()).toEqual(expect.arrayContaining([48, 58, 60]))
    for (const actor of actors) {
      expect(plainActor(actor)).toBe(tip.actor)
      expect(ownsActor(daemon.peer, alice.peer, actor)).toBe(true)
      expect(ownsActor(daemon.peer, mallory.peer, actor)).toBe(false)
    }
  })

  it('are recognised behind several such prefixes', () => {
    const [prefixed = ''] = olderActors(tip.actor)
    const [twice = ''] = olderActors(prefixed)
    expect(twice.length).toBe(68)
    expect(ownsActor(daemon.peer, alice.peer, twice)).toBe(true)
  })

  it.each([
    ['too short', (actor: string) => actor.slice(2)],
    ['too long', (actor: string) => `${actor}00`],
    ['another prefix', (actor: string) => `13b2230a01${actor}`],
    ['a prefix without its level', (actor: string) => `13b22309${actor}`],
    ['a level without its end', (actor: string) => `13b22309ff${actor}`],
    ['upper case', (actor: string) => actor.toUpperCase()],
    ['no hex', (actor: string) => `zz${actor.slice(2)}`],
    ['empty', () => ''],
    ['prefixes without end', (actor: string) => '13b2230901'.repeat(1_000) + actor],
  ])('are not owned when malformed: %s', (_, damage) => {
    expect(plainActor(damage(tip.actor))).toBeUndefined()
    expect(ownsActor(daemon.peer, alice.peer, damage(tip.actor))).toBe(false)
  })

  it('are not mistaken when one happens to begin like a prefix', () => {
    const actor = makeActor(Buffer.from('13b2230901'.padEnd(32, 'f'), 'hex'), random)
    expect(plainActor(actor)).toBe(actor)
    expect(plainActor(`13b2230902${actor}`)).toBe(actor)
  })

  it('need exactly a prefix and eight random bytes', () => {
    const prefix = actorPrefix(daemon.peer, alice.peer)
    expect(() => makeActor(prefix.subarray(1), random)).toThrow(/8 random bytes/)
    expect(() => makeActor(prefix, random.subarray(1))).toThrow(/8 random bytes/)
  })
})

function olderActors(actor: string): string[] {
  let doc = Automerge.change(Automerge.init<Record<string, number>>({ actor }), (root) => {
    root.a = 0
  })
  const heads = Automerge.getHeads(doc)
  doc = Automerge.change(doc, (root) => {
    root.a = 1
  })
  doc = Automerge.changeAt(doc, heads, (root) => {
    root.a = 2
  }).newDoc
  return Automerge.getAllChanges(doc)
    .map((chunk) => Automerge.decodeChange(chunk).actor)
    .filter((other) => other !== actor)
}

describe('tips', () => {
  it('are signed by the author and verified from the peer id alone', () => {
    const signature = signTip(alice.seed, tip)
    expect(signature).toHaveLength(64)
    expect(verifyTip(alice.peer, tip, signature)).toBe(true)
    expect(verifyTip(alice.peer, { ...tip }, signTip(alice.seed, { ...tip }))).toBe(true)
    expect(verifyTip(mallory.peer, tip, signature)).toBe(false)
  })

  it.each([
    ['address', { address: 'space:home/other' as BlockAddress }],
    ['generation', { generation: 2 }],
    ['actor', { actor: 'cd'.repeat(24) as ActorId }],
    ['seq', { seq: 8 }],
    ['hash', { hash: 'ac'.repeat(32) as ChangeHash }],
  ])('do not verify for another %s', (_, other) => {
    expect(verifyTip(alice.peer, { ...tip, ...other }, signTip(alice.seed, tip))).toBe(false)
  })

  it('have different bytes wherever their fields differ, also by where a field ends', () => {
    const messages = [
      tip,
      { ...tip, generation: 17 },
      { ...tip, generation: 1, seq: 77 },
      { ...tip, address: `${tip.address}1` as BlockAddress },
      { ...tip, address: `${tip.address},1:1` as BlockAddress },
    ].map((one) => Buffer.from(tipMessage(one)).toString())
    expect(new Set(messages).size).toBe(messages.length)
    expect(messages[0]).toBe(`11:mooring tip,16:space:home/notes,1:1,48:${tip.actor},1:7,64:${'ab'.repeat(32)},`)
  })

  it('do not verify with a damaged signature, or one over something else', () => {
    const signature = signTip(alice.seed, tip)
    for (const at of [0, 31, 32, 63]) {
      const damaged = Uint8Array.from(signature)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      expect(verifyTip(alice.peer, tip, damaged)).toBe(false)
    }
    expect(verifyTip(alice.peer, tip, signature.subarray(1))).toBe(false)
    const { privateKey } = generateKeyPairSync('ed25519')
    expect(verifyTip(alice.peer, tip, sign(null, tipMessage(tip), privateKey))).toBe(false)
  })

  it('are verified for more peers than are remembered', async () => {
    const signature = signTip(alice.seed, tip)
    const others = await Promise.all(Array.from({ length: 8 }, () => makeIdentity()))
    for (const { peer, seed } of others) expect(verifyTip(peer, tip, signTip(seed, tip))).toBe(true)
    expect(verifyTip(alice.peer, tip, signature)).toBe(true)
  })

  it('need a seed of 32 bytes', () => {
    expect(() => signTip(new Uint8Array(64), tip)).toThrow(/seed of 32 bytes/)
  })
})

describe('the key inside a peer id', () => {
  it('is the public key', () => {
    for (const { peer, publicKey } of [daemon, alice, mallory]) {
      expect(Uint8Array.from(peerPublicKey(peer) ?? [])).toEqual(Uint8Array.from(publicKey))
    }
  })

  it.each([
    '',
    '1',
    `1${'2'.repeat(51)}`,
    `12D3KooW${'z'.repeat(45)}`,
    `2${'D3KooW'.repeat(8)}`,
    '12D3KooW0OIl',
    'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
  ])('is not found in %j', (text) => {
    expect(peerPublicKey(text as PeerId)).toBeUndefined()
    expect(verifyTip(text as PeerId, tip, new Uint8Array(64))).toBe(false)
  })

  it('is not found behind a further leading zero', () => {
    expect(peerPublicKey(`1${alice.peer}` as PeerId)).toBeUndefined()
  })
})
