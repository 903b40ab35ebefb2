/** How much of the disk each peer takes up, as far as the daemon knows before it asks the store. */
import { expect, it } from 'vitest'
import { Usage } from '../../../../daemon/log/usage.ts'
import { alice, bob, change, daemon } from '../../../fixtures/storage-entries.ts'

const maxBytes = 1_000
/** Each takes 160 bytes beside its own; the second of an actor has no more. */
const entry = (who: typeof alice, length: number) =>
  change(1, 'a', 2, { origin: who, grantVersion: 1, bytes: new Uint8Array(length) })

it('counts what is on its way to the store, until it is refused', () => {
  const usage = new Usage(daemon.peer, maxBytes, [{ peer: alice.peer, disk: 400 }])
  const first = entry(alice, 140)
  usage.reserve([first])
  expect(() => usage.reserve([entry(alice, 141)])).toThrow(expect.objectContaining({ code: 'quota-exceeded' }))
  usage.reserve([entry(alice, 140)])
  expect(usage.of(alice.peer)).toBe(maxBytes)
  expect(() => usage.reserve([entry(alice, 0)])).toThrow(/maxBytesPerPeer.*moor compact.*quota\.peer_mib/)
  usage.release([first])
  usage.reserve([first])
  expect(() => usage.reserve([entry(alice, 0)])).toThrow(/maxBytesPerPeer/)
})

it('takes all of a frame or nothing of it', () => {
  const usage = new Usage(daemon.peer, maxBytes, [])
  expect(() => usage.reserve([entry(bob, 100), entry(alice, 900)])).toThrow(/maxBytesPerPeer/)
  expect(() => usage.reserve([entry(bob, 340), entry(bob, 341)])).toThrow(/maxBytesPerPeer/)
  usage.reserve([entry(bob, 340), entry(bob, 340)])
  expect([usage.of(alice.peer), usage.of(bob.peer)]).toEqual([0, maxBytes])
})

it('has room again when rows have gone, and never keeps the daemon from writing', () => {
  const usage = new Usage(daemon.peer, maxBytes, [{ peer: alice.peer, disk: maxBytes }])
  expect(() => usage.reserve([entry(alice, 0)])).toThrow(/maxBytesPerPeer/)
  usage.changed([{ peer: alice.peer, disk: -160 }])
  usage.reserve([entry(alice, 0)])
  usage.reserve([entry(daemon, maxBytes * 2)])
})
