/** What a block still holds, and says that it holds, after its document was replaced. */
import { randomBytes } from 'node:crypto'
import * as A from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import { Block } from '../../../../plugin-sdk/memory/block.ts'
import { splice } from '../../../../plugin-sdk/memory/index.ts'
import type { BlockAddress } from '../../../../protocol/index.ts'
import { alice, daemonPerson } from '../../../fixtures/cast.ts'
import { ManualClock } from '../../../fixtures/clock.ts'

function open(): Block<'text'> {
  return new Block({
    address: 'space:home/notes' as BlockAddress,
    schema: 'text',
    daemon: daemonPerson.peer,
    self: alice.peer,
    clock: new ManualClock(),
    random: (bytes) => new Uint8Array(randomBytes(bytes)),
    onLocal: () => {},
    onStray: () => {},
    onRemote: () => {},
    onPoison: (hashes) => expect(hashes).toEqual([]),
    onBroken: (error) => {
      throw error
    },
  })
}

function type(block: Block<'text'>, text: string) {
  block.change((draft) => splice(draft, ['text'], draft.text.length, 0, text))
  const change = block.unsettled.at(-1)
  if (change === undefined) throw new Error('no change was made')
  return change
}

describe('a snapshot', () => {
  it('takes nothing away that was settled after it was made', () => {
    const block = open()
    const snapshot = A.save(block.value)
    const change = type(block, 'settled')
    block.settle(new Set([change.hash]))
    block.restore(snapshot)
    expect(block.value.text).toBe('settled')
  })
})

describe('changes that are set aside', () => {
  it('leave the older ones of their actor among what is held', () => {
    const block = open()
    const kept = type(block, 'kept')
    block.settle(new Set([kept.hash]))
    block.setAside(type(block, ' refused'))
    expect(block.value.text).toBe('kept')
    expect(block.own.newest).toEqual([{ actor: kept.actor, seq: 1, hash: kept.hash }])
  })
})

describe('a daemon that holds less than it acknowledged', () => {
  it('is sent the rest again, before what waits', () => {
    const block = open()
    const settled = [type(block, 'a'), type(block, 'b'), type(block, 'c')]
    block.settle(new Set(settled.map((change) => change.hash)))
    const waiting = type(block, 'd')
    block.unsettleBeyond(new Map([[waiting.actor, 1]]))
    expect(block.unsettled.map((change) => change.seq)).toEqual([2, 3, 4])
    const numbers = block.unsettled.map((change) => change.number)
    expect(numbers).toEqual(numbers.toSorted((one, other) => one - other))
    expect(block.unsettled).toHaveLength(3)
  })

  it('is sent nothing again when it holds everything', () => {
    const block = open()
    const settled = type(block, 'a')
    block.settle(new Set([settled.hash]))
    block.unsettleBeyond(new Map([[settled.actor, 1]]))
    expect(block.unsettled).toEqual([])
  })
})
