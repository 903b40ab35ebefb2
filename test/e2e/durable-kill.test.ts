/** Plugins that are killed in the middle of their work: what was said to be saved reaches the daemon, and once. */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, it, vi } from 'vitest'
import { placesFrom } from '../../protocol/index.ts'
import { Home } from '../fixtures/command-line.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const plugin = 'test/fixtures/durable-plugin.ts'
const kills = 20

const savedUpTo = (stdout: string): number =>
  Math.max(-1, ...[...stdout.matchAll(/^saved (\d+)$/gm)].map((match) => Number(match[1])))

it(`loses no saved edit and repeats none over ${kills} kills, with and without the daemon`, async () => {
  const home = new Home()
  const folder = tempDir()
  const start = () => home.plugin(plugin, '--home', folder)
  const up = async () => (await home.json<{ daemon: { pid: number } }>('up')).daemon
  let daemon: { pid: number } | undefined = await up()
  const first = start()
  await home.approveNext()
  await first.prints('ready')
  expect(await first.stop()).toBe(0)

  const saved: number[] = []
  for (let run = 0; run < kills; run++) {
    // In turns there and away, killed as well. It takes a dead process for a live one for some seconds, so a key that
    // is killed more often than it may have replicas would be turned away.
    if (run % 10 === 5 && daemon !== undefined) process.kill(daemon.pid, 'SIGKILL')
    if (run % 10 === 0 && run > 0) daemon = await up()
    const worker = start()
    await worker.prints('ready')
    worker.type(`load ${run}`)
    // At another moment each time: right after the first is saved, and after many were.
    const wanted = 1 + (run % 5) * 4
    await vi.waitFor(() => expect(worker.stdout.split('\nsaved').length).toBeGreaterThan(wanted), {
      timeout: 30_000,
      interval: 1,
    })
    await worker.kill()
    saved.push(savedUpTo(worker.stdout))
  }

  await up()
  const last = start()
  await last.prints('ready')
  last.type('flush')
  await last.prints('flushed')
  last.type('show')
  await last.prints(' end')
  const text = JSON.parse(/^text (.*) end$/m.exec(last.stdout)?.[1] ?? '""') as string
  const lines = text.split('\n').filter((line) => line !== '')
  expect(new Set(lines).size).toBe(lines.length)
  const present = new Set(lines)
  for (const [run, upTo] of saved.entries()) {
    expect(upTo).toBeGreaterThan(0)
    const missing = Array.from({ length: upTo + 1 }, (_, n) => `${run}.${n}`).filter((line) => !present.has(line))
    expect(missing, `run ${run}`).toEqual([])
  }
  const shown = await home.json<{ text: string; totalChars: number }>('block', 'show', 'space:durable/log')
  expect(shown.totalChars).toBe(text.length)
  expect(await last.stop()).toBe(0)
  await home.moor('down')

  const places = placesFrom({ env: home.env, platform: process.platform, homedir: home.path })
  const db = new Database(join(places.stateDir, 'mooring.db'), { readonly: true })
  const { rows, distinct } = db
    .prepare("SELECT count(*) AS rows, count(DISTINCT hex(actor) || '.' || actor_seq) AS [distinct] FROM change")
    .get() as { rows: number; distinct: number }
  db.close()
  expect(rows).toBe(lines.length)
  expect(distinct).toBe(rows)
}, 300_000)
