/** What an author holds of a block, apart from the conversation behind it. */
import { describe, expect, it } from 'vitest'
import { Block } from '../../../../plugin-sdk/memory/block.ts'
import { BlockHandle } from '../../../../plugin-sdk/memory/handle.ts'
import { maxAsideBytes } from '../../../../plugin-sdk/memory/store.ts'
import { type BlockAddress, MooringError } from '../../../../protocol/index.ts'
import { alice, daemonPerson } from '../../../fixtures/cast.ts'
import { ManualClock } from '../../../fixtures/clock.ts'

function open(): BlockHandle<'text'> {
  const block = new Block({
    address: 'space:home/notes' as BlockAddress,
    schema: 'text',
    daemon: daemonPerson.peer,
    self: alice.peer,
    clock: new ManualClock(),
    random: (bytes) => new Uint8Array(bytes),
    onLocal: () => {},
    onStray: () => {},
    onRemote: () => {},
    onPoison: () => {},
    onBroken: () => {},
  })
  return new BlockHandle({
    block,
    meta: () => ({}),
    onListenerError: (error) => {
      throw error
    },
    saved: async () => {},
    checkRoom: () => {},
    onDrop: () => {},
  })
}

describe('what was refused for good', () => {
  it('is kept as long as it is no more than anybody will look at, the newest of it always', () => {
    const handle = open()
    const refuse = (id: number, bytes: number): void => {
      const changes = [new Uint8Array(bytes - 1), new Uint8Array(1)]
      handle.refuse({ id, code: 'block-deleted', detail: undefined, changes }, new MooringError('block-deleted'))
    }
    const kept = (): number[] => handle.refused.map(({ id }) => id)
    refuse(1, maxAsideBytes / 2)
    refuse(2, maxAsideBytes / 2)
    expect(kept()).toEqual([1, 2])
    refuse(3, 2)
    expect(kept()).toEqual([2, 3])
    refuse(4, maxAsideBytes + 2)
    expect(kept()).toEqual([4])
  })
})

describe('what a plugin in JavaScript may get wrong', () => {
  it('is refused with a code, and changes nothing', () => {
    const handle = open()
    const wrong: (() => unknown)[] = [
      () => handle.change('x' as never),
      () => handle.on('chnage' as never, () => {}),
      () => handle.on('change', undefined as never),
    ]
    for (const call of wrong) expect(call).toThrow(expect.objectContaining({ code: 'invalid-input' }))
    expect(handle.value.text).toBe('')
  })
})
