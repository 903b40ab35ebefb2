/** The real editing session through the real daemon; `npm run soak:trace` does the whole of it. */
import { expect, it } from 'vitest'
import { runTrace } from '../fixtures/trace-run.ts'

it('carries 20,000 recorded edits from one plugin to another, echoes none, loses none', async () => {
  const edits = 20_000
  const figures = await runTrace(edits)
  expect(figures).toMatchObject({
    edits,
    stored: edits,
    echoed: 0,
    renderedBefore: true,
    renderedAfter: true,
  })
}, 120_000)
