/** Whose a change is, as a replica finds out for itself. */
import { describe, expect, it } from 'vitest'
import { checkTips } from '../../../../plugin-sdk/memory/tips.ts'
import type { ActorId, BlockAddress, ChangeHash } from '../../../../protocol/index.ts'
import { signTip } from '../../../../protocol/sync/index.ts'
import { alice, daemonPerson, mallory, type Person } from '../../../fixtures/cast.ts'
import { actorOf } from '../../../fixtures/raw-replica.ts'

const block = { address: 'space:home/notes' as BlockAddress, generation: 1 }
const hash = 'ab'.repeat(32) as ChangeHash

/** A tip that says that it is `peer`'s, of an actor of `owner`, signed by `signer`. */
function tipOf(peer: Person, owner: Person, signer: Person) {
  const tip = { actor: actorOf(owner) as ActorId, seq: 3, hash }
  return { ...tip, peer: peer.peer, signature: signTip(signer.seed, { ...tip, ...block }) }
}

describe('a tip that arrives', () => {
  it('is taken from its author, whoever passes it on', () => {
    expect(() => checkTips(daemonPerson.peer, block, [tipOf(alice, alice, alice)])).not.toThrow()
  })

  it('is refused unless its author signed it', () => {
    const refused = expect.objectContaining({ code: 'bad-signature' })
    const check =
      (...tips: ReturnType<typeof tipOf>[]) =>
      () =>
        checkTips(daemonPerson.peer, block, tips)
    expect(check(tipOf(alice, alice, mallory))).toThrow(refused)
    expect(check(tipOf(mallory, alice, mallory))).toThrow(refused)
    expect(check(tipOf(alice, alice, alice), { ...tipOf(alice, alice, alice), seq: 4 })).toThrow(refused)
    const elsewhere = { ...block, generation: 2 }
    expect(() => checkTips(daemonPerson.peer, elsewhere, [tipOf(alice, alice, alice)])).toThrow(refused)
  })
})
