/** How data is lost elsewhere, played with real processes and files: each ends with everything there, or with being told. */
import { expect, it, vi } from 'vitest'
import { Home, type PluginProcess } from '../fixtures/command-line.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

/** Each starts processes. */
const rounds = 2
const plugin = 'test/fixtures/durable-plugin.ts'
const address = 'space:durable/log'

async function scene() {
  const home = new Home()
  const folder = tempDir()
  const start = (): PluginProcess => home.plugin(plugin, '--home', folder)
  const up = async () => (await home.json<{ daemon: { pid: number } }>('up')).daemon
  const daemon = await up()
  const first = start()
  await home.approveNext()
  await first.prints('ready')
  const lines = async (): Promise<string[]> =>
    (await home.json<{ text: string }>('block', 'show', address)).text.split('\n').filter(Boolean)
  return { home, start, up, daemon, first, lines }
}

async function flush(process: PluginProcess): Promise<void> {
  const before = process.stdout.split('flushed').length
  process.type('flush')
  await vi.waitFor(() => expect(process.stdout.split('flushed').length).toBeGreaterThan(before), { timeout: 30_000 })
}

it('an edit that was acknowledged the moment before the daemon died is there when it starts again', async () => {
  const { up, first, lines, ...rest } = await scene()
  let { daemon } = rest
  for (let round = 0; round < rounds; round++) {
    first.type(`append round-${round}`)
    await flush(first)
    process.kill(daemon.pid, 'SIGKILL')
    daemon = await up()
    // Before the plugin is back, or after it: what was acknowledged came from neither.
    expect(await lines()).toContain(`round-${round}`)
    await flush(first)
  }
  expect(await lines()).toEqual(Array.from({ length: rounds }, (_, round) => `round-${round}`))
}, 120_000)

it('edits made right before a plugin stops are at the daemon, or come with its next start', async () => {
  const { start, first, lines } = await scene()
  expect(await first.stop()).toBe(0)
  const made: string[] = []
  for (let round = 0; round < rounds; round++) {
    const run = start()
    await run.prints('ready')
    for (let n = 0; n < 20; n++) {
      run.type(`append ${round}.${n}`)
      made.push(`${round}.${n}`)
    }
    // The last line was read; nothing else is waited for.
    await run.prints(`saved ${round}.19`)
    expect(await run.stop()).toBe(0)
  }
  const last = start()
  await last.prints('ready')
  await flush(last)
  expect((await lines()).toSorted()).toEqual(made.toSorted())
}, 120_000)
