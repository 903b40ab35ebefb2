/** `moor block meta`: what is said of a block beside its content. */
import { describe, expect, it } from 'vitest'
import { limits } from '../../../../protocol/index.ts'
import { createWorld } from './control-world.ts'

const argv = ['block', 'meta', 'space:home/notes', '--description']

describe('moor block meta', () => {
  it('says what the block is for, or nothing any more', async () => {
    await using world = await createWorld()
    const ran = await world.moor([...argv, 'for later'])
    expect([ran.code, ran.stdout]).toEqual([0, 'space:home/notes: What to remember\n'])
    expect((await world.moor([...argv, ''])).code).toBe(0)
    expect(world.calls.map(({ op, input }) => [op, input])).toEqual(
      ['for later', ''].map((description) => [
        'block.update-metadata',
        { address: 'space:home/notes', patch: { description } },
      ]),
    )
  })

  it('says what the content is to be, in JSON', async () => {
    await using world = await createWorld()
    const options = { sections: [{ name: 'notes', schema: 'text' }] }
    expect((await world.moor([...argv.slice(0, 3), '--options', JSON.stringify(options)])).code).toBe(0)
    expect(world.calls.map(({ input }) => input)).toEqual([{ address: 'space:home/notes', patch: { options } }])
    for (const wrong of ['{', '[]', '{"colour":"red"}', '{"displayLimit":0}']) {
      expect((await world.moor([...argv.slice(0, 3), '--options', wrong])).code).toBe(2)
    }
    expect((await world.moor(argv.slice(0, 3))).code).toBe(2)
    expect(world.calls).toHaveLength(1)
  })

  it('says whether an agent always has the block before it, and whether it stays at hand', async () => {
    await using world = await createWorld()
    const ran = await world.moor([...argv.slice(0, 3), '--kind', 'core', '--pinned', 'yes'])
    expect([ran.code, ran.stdout]).toEqual([0, 'space:home/notes: What to remember\ncore, pinned\n'])
    const plain = await world.moor([...argv.slice(0, 3), '--kind', 'working', '--pinned', 'no'])
    expect([plain.code, plain.stdout]).toEqual([0, 'space:home/notes: What to remember\n'])
    expect(world.calls.map(({ input }) => input)).toEqual([
      { address: 'space:home/notes', patch: { kind: 'core', pinned: true } },
      { address: 'space:home/notes', patch: { kind: 'working', pinned: false } },
    ])
    for (const wrong of [
      ['--kind', 'other'],
      ['--pinned', 'true'],
    ]) {
      expect((await world.moor([...argv.slice(0, 3), ...wrong])).code).toBe(2)
    }
  })

  it('sends nothing that is too long, or not said at all', async () => {
    await using world = await createWorld()
    expect((await world.moor(argv.slice(0, -1))).code).toBe(2)
    expect((await world.moor([...argv, 'x'.repeat(limits.maxDescriptionChars + 1)])).code).toBe(2)
    expect(world.calls).toEqual([])
  })
})
