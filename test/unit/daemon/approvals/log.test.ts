import { describe, expect, it } from 'vitest'
import { Approvals } from '../../../../daemon/approvals/approvals.ts'
import { openMemory } from '../../../../daemon/storage/memory.ts'
import { alice, bob, countingRandom, ManualClock, manifestOf, peerOf, quietLog } from './world.ts'

const wants = ['blocks:read:space:home/*']

async function world() {
  const lines: { readonly message: string; readonly peer?: unknown; readonly name?: unknown }[] = []
  const log = { ...quietLog, info: (fields: object, message: string) => void lines.push({ ...fields, message }) }
  const approvals = new Approvals({
    storage: await openMemory({}),
    clock: new ManualClock(),
    random: countingRandom(),
    self: peerOf('daemon'),
    log,
    onCut: () => {},
  })
  await approvals.start()
  const ask = async (peer = alice): Promise<{ code: string; digest: string }> => {
    const answer = await approvals.hello({ peer, manifest: manifestOf(wants), from: '/ip4/192.0.2.7/udp/1/quic-v1' })
    if (answer.request === undefined) throw new Error('nothing was asked')
    return approvals.request(answer.request.code)
  }
  return { approvals, lines, ask, about: () => lines.map(({ message, peer, name }) => [message, peer, name]) }
}

describe('the log of approvals', () => {
  it('names key and plugin of each decision', async () => {
    const { approvals, ask, about } = await world()
    await approvals.approve(await ask())
    await approvals.narrow('notes', ['blocks:read:space:home/notes'])
    await approvals.revoke('notes')
    expect(about()).toEqual([
      ['a request waits for the operator', alice, 'notes'],
      ['a request ended', alice, 'notes'],
      ['a peer was approved', alice, 'notes'],
      ['a peer was narrowed', alice, 'notes'],
      ['a peer was revoked', alice, 'notes'],
    ])
  })

  it('names who was denied, by the name that was kept for it', async () => {
    const { approvals, ask, about } = await world()
    await approvals.approve(await ask())
    const { code } = await ask(bob)
    await approvals.deny(code)
    expect(about().slice(-2)).toEqual([
      ['a request waits for the operator', bob, 'notes-2'],
      ['a request was denied', bob, 'notes-2'],
    ])
  })
})
