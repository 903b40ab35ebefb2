/** A bit that turns in the database file of a real daemon: it starts, serves the rest, and gets back what a plugin holds. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { Home, type PluginProcess } from '../fixtures/command-line.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const address = 'space:durable/log'

interface Status {
  readonly damaged: number
  readonly damages: readonly { readonly what: string; readonly next: string }[]
}

async function append(plugin: PluginProcess, ...words: readonly string[]): Promise<void> {
  for (const word of words) {
    plugin.type(`append ${word}`)
    await plugin.prints(`saved ${word}`)
    plugin.type('flush')
    await plugin.prints('flushed')
  }
}

/** Turns a bit of the change that holds a word, wherever it is in the file. */
function rot(home: Home, word: string): void {
  const path = join(home.path, 'mooring.db')
  const file = readFileSync(path)
  const at = file.indexOf(`${word}\n`)
  expect(at).toBeGreaterThan(0)
  expect(file.indexOf(`${word}\n`, at + 1)).toBe(-1)
  file.writeUInt8(file.readUInt8(at) ^ 0x04, at)
  writeFileSync(path, file)
}

it('starts, shows what does not build on it, and has the rest back once its plugin is there', async () => {
  const home = new Home()
  const folder = tempDir()
  await home.json('up')
  const start = (): PluginProcess => home.plugin('test/fixtures/durable-plugin.ts', '--home', folder)
  const first = start()
  await home.approveNext()
  await first.prints('ready durable 3 live')
  await append(first, 'alpha', 'bravo', 'charlie')
  expect(await first.stop()).toBe(0)
  await home.moor('down')

  rot(home, 'bravo')
  await home.json('up')
  const text = async (): Promise<string> => (await home.json<{ text: string }>('block', 'show', address)).text
  await vi.waitFor(async () => expect(await text()).toBe('alpha\n'), { timeout: 60_000, interval: 500 })
  const status = await home.json<Status>('status')
  const damage = { what: `${address}: 1 change is lost, 1 waits for what is lost` }
  expect(status).toMatchObject({ damaged: 1, damages: [damage] })
  expect((await home.moor('status')).stdout).toContain(damage.what)

  const again = start()
  await again.prints('ready durable 3')
  await vi.waitFor(async () => expect(await text()).toBe('alpha\nbravo\ncharlie\n'), { timeout: 60_000, interval: 500 })
  await append(again, 'delta')
  expect(await text()).toBe('alpha\nbravo\ncharlie\ndelta\n')
  await vi.waitFor(async () => expect(await home.json('status')).toMatchObject({ damaged: 0, damages: [] }), {
    timeout: 30_000,
    interval: 500,
  })
  const { stdout } = await home.moor('logs', '--level', 'error')
  expect(stdout.match(/a damaged row was found/g)).toHaveLength(1)
  expect(await again.stop()).toBe(0)
}, 240_000)
