/**
 * What a user of the package does: packs it, installs the tarball in an empty folder, starts a daemon there, writes a
 * plugin of fifteen lines, approves it, and sees it work. Leaves no process and no file behind.
 */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'mooring-smoke-'))
const env = {
  ...process.env,
  MOORING_HOME: join(folder, 'home'),
  MOORING_LISTEN_PORT: '0',
  // The runtime of this script, which may be newer than the machine's.
  PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`,
}
const deadlineMs = 60_000

const run = (command: string, args: readonly string[], cwd = folder): string =>
  execFileSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 5 * deadlineMs,
  })
const moor = (...args: string[]): { data: Record<string, unknown> } =>
  JSON.parse(run('npx', ['--no-install', 'moor', ...args, '--json', '--quiet'])) as { data: Record<string, unknown> }

const pluginSource = `import { definePlugin, runPlugin } from 'mooring/plugin-sdk'
import { splice } from 'mooring/plugin-sdk/memory'

const plugin = definePlugin({
  name: 'smoke',
  version: '1.0.0',
  wants: ['read', 'write', 'create'].map((right) => \`blocks:\${right}:space:home/smoke\`),
  async setup(host) {
    const note = await host.open('space:home/smoke', 'text')
    note.change((draft) => splice(draft, ['text'], 0, 0, 'it works'))
    await note.flushed()
    console.log('written')
  },
})
await (await runPlugin(plugin)).done
`

async function smoke(): Promise<void> {
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--silent', '--pack-destination', folder], root)) as {
    filename: string
  }[]
  if (packed === undefined) throw new Error('npm pack made nothing')
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }))
  run('npm', ['install', '--no-audit', '--no-fund', join(folder, packed.filename)])
  writeFileSync(join(folder, 'plugin.js'), pluginSource)

  const card = moor('up')
  console.log('started', (card.data.daemon as { words?: string }).words)
  const plugin = spawn(process.execPath, ['plugin.js'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const wrote = new Promise<void>((resolve, reject) => {
      plugin.stdout.on('data', (data: Buffer) => data.toString().includes('written') && resolve())
      plugin.once('exit', (code) => reject(new Error(`the plugin ended with ${code}`)))
      setTimeout(() => reject(new Error('the plugin wrote nothing in time')), deadlineMs).unref()
    })
    moor('approve', await waitForCode(), '--yes')
    await wrote
    const shown = moor('block', 'show', 'space:home/smoke').data as { text?: string }
    if (shown.text !== 'it works') throw new Error(`the block holds ${JSON.stringify(shown)}`)
    console.log('approved, written, shown:', shown.text)
  } finally {
    plugin.kill('SIGKILL')
  }
}

async function waitForCode(): Promise<string> {
  const untilMs = Date.now() + deadlineMs
  while (Date.now() < untilMs) {
    const { requests } = moor('requests').data as { requests: { code: string }[] }
    if (requests[0] !== undefined) return requests[0].code
  }
  throw new Error('no request came in')
}

try {
  await smoke()
  console.log('the package works')
} finally {
  const log = join(folder, 'home', 'daemon.log')
  if (existsSync(log)) {
    if (process.exitCode !== undefined) console.error(readFileSync(log, 'utf8').slice(-2_000))
    moor('down')
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}
