/** `moor compact`: which blocks it asks for, and what it says of those that cannot be compacted. */
import { describe, expect, it } from 'vitest'
import { type BlockAddress, MooringError } from '../../../../protocol/index.ts'
import { createWorld } from './control-world.ts'

const other = 'space:home/other' as BlockAddress

describe('moor compact', () => {
  it('asks for every block, and changes nothing in a dry run', async () => {
    await using world = await createWorld()
    world.answers.blocks = world.answers.blocks.flatMap((block) => [block, { ...block, address: other }])
    const ran = await world.moor(['compact', '--dry-run', '--json'])
    expect(world.calls).toEqual([
      { op: 'block.compact', input: { address: 'space:home/notes', dryRun: true } },
      { op: 'block.compact', input: { address: other, dryRun: true } },
    ])
    const folded = { rows: 12, bytes: 1_440 }
    expect(JSON.parse(ran.stdout).data).toEqual({
      dryRun: true,
      blocks: [
        { address: 'space:home/notes', ...folded },
        { address: other, ...folded },
      ],
      failed: [],
    })
    expect((await world.moor(['compact', '--dry-run'])).stdout).toContain('ROWS THAT WOULD GO')
  })

  it('asks for the one that is named, and says so when there is nothing', async () => {
    await using world = await createWorld({
      handlers: { 'block.compact': ({ address }) => ({ address, rows: 0, bytes: 0 }) },
    })
    const ran = await world.moor(['compact', other, '--json'])
    expect(JSON.parse(ran.stdout).data).toEqual({
      dryRun: false,
      blocks: [{ address: other, rows: 0, bytes: 0 }],
      failed: [],
    })
    const all = await world.moor(['compact'])
    expect(all).toMatchObject({ code: 0, stderr: 'there is nothing to fold away\n' })
  })

  it('goes on after a block that cannot be compacted, unless it was asked for', async () => {
    await using world = await createWorld({
      handlers: {
        'block.compact': ({ address }) => {
          if (address !== other) throw new MooringError('view-failed')
          return { address, rows: 3, bytes: 9 }
        },
      },
    })
    world.answers.blocks = world.answers.blocks.flatMap((block) => [block, { ...block, address: other }])
    const ran = await world.moor(['compact', '--json'])
    expect(ran.code).toBe(0)
    expect(JSON.parse(ran.stdout).data).toMatchObject({
      blocks: [{ address: other, rows: 3 }],
      failed: [{ address: 'space:home/notes', code: 'view-failed' }],
    })
    expect(ran.stderr).toContain('space:home/notes stays as it is: view-failed')
    const one = await world.moor(['compact', 'space:home/notes'])
    expect(one.code).toBe(1)
    expect(one.stderr).toContain('error view-failed')
  })
})
