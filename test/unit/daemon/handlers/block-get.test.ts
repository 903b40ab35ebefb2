/** Texts for plugins: one key never has all of the worker that makes them. */
import { describe, expect, it } from 'vitest'
import { blockHandlers } from '../../../../daemon/handlers/host/blocks.ts'
import { Renderings } from '../../../../daemon/handlers/host/renderings.ts'
import { alice, mallory, type Person } from '../../../fixtures/cast.ts'

describe('block.get', () => {
  it('works on a few texts for one key, counts given up calls, and leaves the others alone', async () => {
    const shown: (() => void)[] = []
    const blocks = { show: () => new Promise((resolve) => shown.push(() => resolve({}))) }
    const handlers = blockHandlers({ blocks, renderings: new Renderings() } as never)
    const get = (who: Person) =>
      handlers['block.get'](
        { address: 'space:home/notes', offset: 0 } as never,
        { session: { peer: who.peer } } as never,
      )
    const running = [get(mallory), get(mallory), get(mallory), get(mallory)]
    await expect(get(mallory)).rejects.toMatchObject({ code: 'too-many-calls' })
    const other = get(alice)
    for (const show of shown) show()
    await Promise.all([...running, other])
    const next = get(mallory)
    shown.at(-1)?.()
    await next
  })
})
