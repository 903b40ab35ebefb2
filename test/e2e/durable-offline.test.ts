/** Plugins that work while there is no daemon: real processes, a real store, and the local ticket gone. */
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { Home, type PluginProcess } from '../fixtures/command-line.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const plugin = 'test/fixtures/durable-plugin.ts'

async function save(process: PluginProcess, text: string): Promise<void> {
  process.type(`append ${text}`)
  await process.prints(`saved ${text}`)
}

const shown = async (home: Home): Promise<string[]> =>
  (await home.json<{ text: string }>('block', 'show', 'space:durable/log')).text.split('\n').filter(Boolean).sort()

/** A home with a daemon, and a folder of a plugin that was approved, has worked and was stopped. */
async function approved(): Promise<{ home: Home; folder: string; start: (at?: string) => PluginProcess }> {
  const home = new Home()
  const folder = tempDir()
  const start = (at = folder): PluginProcess => home.plugin(plugin, '--home', at)
  await home.json('up')
  const first = start()
  await home.approveNext()
  await first.prints('ready durable 3 live')
  await save(first, 'online')
  first.type('flush')
  await first.prints('flushed')
  expect(await first.stop()).toBe(0)
  return { home, folder, start }
}

it('works through whole lives without a daemon, and everything arrives once when it is back', async () => {
  const { home, start } = await approved()
  // In order, so that the local ticket is gone as well: only the store says which daemon it is.
  await home.moor('down')
  for (const text of ['first', 'second']) {
    const offline = start()
    // The grants are the last that were known.
    await offline.prints('ready durable 3')
    expect(offline.stdout).not.toContain('live')
    await save(offline, text)
    expect(await offline.stop()).toBe(0)
  }
  await home.json('up')
  const online = start()
  await online.prints('ready durable 3')
  online.type('flush')
  await online.prints('flushed')
  expect(await shown(home)).toEqual(['first', 'online', 'second'])
  expect(await online.stop()).toBe(0)
})

it('brings together what a copied folder and its original write', async () => {
  const { home, folder, start } = await approved()
  const copied = join(tempDir(), 'copy')
  cpSync(folder, copied, { recursive: true })
  const original = start()
  const copy = start(copied)
  await Promise.all([original.prints('ready'), copy.prints('ready')])
  await Promise.all([save(original, 'original'), save(copy, 'copy')])
  original.type('flush')
  copy.type('flush')
  await Promise.all([original.prints('flushed'), copy.prints('flushed')])
  expect(await shown(home)).toEqual(['copy', 'online', 'original'])
})

it('goes on from an old backup, and gets back what came after it', async () => {
  const { home, folder, start } = await approved()
  const backup = join(tempDir(), 'backup')
  cpSync(folder, backup, { recursive: true })
  const later = start()
  await later.prints('ready')
  await save(later, 'later')
  later.type('flush')
  await later.prints('flushed')
  await later.kill()
  rmSync(folder, { recursive: true })
  cpSync(backup, folder, { recursive: true })
  const restored = start()
  await restored.prints('ready')
  await save(restored, 'restored')
  restored.type('flush')
  await restored.prints('flushed')
  await vi.waitFor(
    () => {
      restored.type('show')
      expect(restored.stdout).toMatch(/text ".*later\\n.*" end/)
    },
    { timeout: 20_000, interval: 200 },
  )
  expect(await shown(home)).toEqual(['later', 'online', 'restored'])
})

it('says what is wrong with a store that cannot be read, and does not go on without it', async () => {
  const { folder, start } = await approved()
  const replica = join(folder, 'replica')
  const [name = ''] = readdirSync(replica).filter((file) => file.endsWith('.db'))
  writeFileSync(join(replica, name), 'this was a database once')
  const broken = start()
  await broken.tells('database-corrupt')
  expect(broken.stdout).not.toContain('ready')
})

it('refuses a second process of one folder by name', async () => {
  const { start } = await approved()
  const first = start()
  await first.prints('ready')
  const second = start()
  await second.tells('replica-in-use')
  expect(second.stdout).not.toContain('ready')
  await save(first, 'still-here')
})
