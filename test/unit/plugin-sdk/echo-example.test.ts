import { expect, it } from 'vitest'
import echo from '../../../examples/echo/plugin.ts'
import { createTestHost } from '../../../plugin-sdk/testing.ts'

it('sends one word to the daemon and back, logs it, and says goodbye', async () => {
  const test = createTestHost()
  const stop = await test.start(echo)
  await stop()
  await test.flushed()
  await test.stop()
  expect(test.lines.map(({ text }) => text)).toEqual(['the daemon answered ahoy', 'goodbye'])
  expect(echo.manifest.wants).toEqual([])
})
