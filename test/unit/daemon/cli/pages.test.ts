import { expect, it } from 'vitest'
import { readPages } from '../../../../daemon/cli/pages.ts'
import { pageOf } from '../../../../daemon/handlers/control/page.ts'

const names = ['kiwi', 'apple', 'pear', 'fig', 'lime']

it('reads every row once, however short the pages are', async () => {
  for (const limit of [1, 2, 5, 9]) {
    const read = async (after: string) => {
      const { page, more } = pageOf(names, (name) => name, { after, limit })
      return { rows: page, more }
    }
    expect(await readPages(read, (name) => name)).toEqual(['apple', 'fig', 'kiwi', 'lime', 'pear'])
  }
})

it('gives up on a list that does not end', async () => {
  const read = async () => ({ rows: ['same'], more: true })
  await expect(readPages(read, (name) => name)).rejects.toMatchObject({ code: 'malformed' })
})
