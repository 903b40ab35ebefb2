/** What one replica may watch: each bound met, and exceeded by one. */
import { expect, it } from 'vitest'
import { BlockIndex } from '../../../../daemon/log/block-index.ts'
import { WatchList } from '../../../../daemon/log/watch-list.ts'
import { limits } from '../../../../protocol/limits.ts'

const open = (): WatchList =>
  new WatchList({
    index: new BlockIndex(),
    holding: { add: () => {}, free: () => {} } as never,
    grants: () => ({ grants: [], grantVersion: 1 }),
  })

it.each([
  ['maxWatches', (n: number) => `space:home${n}/*`],
  ['maxWatchedBlocks', (n: number) => `space:home/b${n}`],
] as const)('is at most %s, each of which counts once, and another one for each that is given up', (limit, pattern) => {
  const list = open()
  for (let n = 0; n < limits[limit]; n++) expect(list.add(pattern(n))).toBe(true)
  expect(list.add(pattern(0))).toBe(false)
  expect(() => list.add(pattern(limits[limit]))).toThrow(
    expect.objectContaining({ code: 'quota-exceeded', detail: limit }),
  )
  list.delete(pattern(0))
  expect(list.add(pattern(limits[limit]))).toBe(true)
  expect(() => list.add(pattern(0))).toThrow(limit)
})
