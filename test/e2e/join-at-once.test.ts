/** A machine starts and all its plugins with it, each with an invite: they say hello at once, and nobody is sent away for long. */
import { expect, it, onTestFinished } from 'vitest'
import { definePlugin, runPlugin } from '../../plugin-sdk/index.ts'
import { formatTicket, parseTicket } from '../../protocol/index.ts'
import { startTestDaemon } from '../fixtures/daemon.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const plugins = 50
const wants = ['blocks:read:space:home/*']

// Shorter than the half minute after which who was sent away as a stranger comes back.
it('lets 50 plugins of one machine in by their invites', { timeout: 29_000 }, async () => {
  const daemon = await startTestDaemon()
  const base = parseTicket(daemon.daemon.ticket)
  const tickets: string[] = []
  for (let n = 0; n < plugins; n++) tickets.push(formatTicket({ ...base, invite: await daemon.invite(...wants) }))
  const welcomed = tickets.map(async (ticket, n) => {
    const isIn = Promise.withResolvers<void>()
    const plugin = definePlugin({ name: `plugin-${n}`, version: '1.0.0', wants, setup: () => isIn.resolve() })
    const running = await runPlugin(plugin, { ticket, home: tempDir() })
    onTestFinished(() => running.stop())
    running.done.catch(isIn.reject)
    await isIn.promise
  })
  await Promise.all(welcomed)
  const { plugins: counts } = await daemon.control.daemon.status({})
  expect(counts.approved).toBe(plugins)
})
