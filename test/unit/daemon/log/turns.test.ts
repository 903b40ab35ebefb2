/** Work of one key, one after another. */
import { expect, it } from 'vitest'
import { Turns } from '../../../../daemon/log/turns.ts'

it('runs what has one key in the order it came, what has another at once, and goes on after a failure', async () => {
  const turns = new Turns()
  const done: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = turns.take('a', async () => {
    await gate.promise
    done.push('first')
    throw new Error('failed')
  })
  const second = turns.take('a', async () => {
    done.push('second')
    return 2
  })
  await turns.take('b', async () => void done.push('other'))
  expect(done).toEqual(['other'])
  gate.resolve()
  await expect(first).rejects.toThrow('failed')
  expect(await second).toBe(2)
  expect(done).toEqual(['other', 'first', 'second'])
  expect(turns.size).toBe(0)
})
