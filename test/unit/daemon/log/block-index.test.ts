/** The blocks in memory: always in order, without being sorted for each question. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BlockIndex } from '../../../../daemon/log/block-index.ts'
import type { BlockRow } from '../../../../daemon/storage/storage.ts'

const row = (id: number, address: string): BlockRow =>
  ({ id, address, owner: 'alice', createdSeq: id, deletedSeq: 0, heads: [] }) as unknown as BlockRow

const address = fc
  .tuple(fc.constantFrom('space:a', 'space:ab', 'agent:a'), fc.constantFrom('a', 'a-b', 'ab', 'b', 'z'))
  .map(([scope, label]) => `${scope}/${label}`)

describe('the index of blocks', () => {
  it('lists live blocks in the order of their addresses, whatever was made and deleted', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(address, fc.boolean())), fc.integer({ min: 0, max: 8 }), (steps, loaded) => {
        const index = new BlockIndex()
        const live = new Map<string, number>()
        const made = steps.map(([at, isMade], n) => ({ at, isMade, id: n + 1 }))
        const initial = made.slice(0, loaded).filter(({ at }, n, all) => all.findIndex((one) => one.at === at) === n)
        index.load(initial.map(({ at, id }) => row(id, at)))
        for (const { at, id } of initial) live.set(at, id)
        for (const { at, isMade, id } of made.slice(loaded)) {
          const known = live.get(at)
          if (isMade && known === undefined) {
            index.created(row(id, at))
            live.set(at, id)
          } else if (!isMade && known !== undefined) {
            index.deleted(known, id)
            live.delete(at)
          }
        }
        const sorted = [...live.keys()].sort()
        expect(index.live().map((one) => one.address)).toEqual(sorted)
        for (const from of ['', 'space:a/ab', 'space:ab']) {
          expect([...index.from(from)].map((one) => one.address)).toEqual(sorted.filter((at) => at >= from))
        }
        expect(index.matching('space:a/*').map((one) => one.address)).toEqual(
          sorted.filter((at) => at.startsWith('space:a/')),
        )
        expect(index.matching('space:*/*')).toHaveLength(sorted.filter((at) => at.startsWith('space:')).length)
        expect(index.matching('space:a/ab')).toHaveLength(live.has('space:a/ab') ? 1 : 0)
      }),
    )
  })
})
