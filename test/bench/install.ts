/**
 * Installs the peers, in this folder and only here: whoever works on the project never needs them. Keeps true: what is
 * measured is what the lock file says, and nothing that comes along runs a script while it is installed.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const stampFile = `${here}node_modules/.bench-installed`

/** Does nothing when the installed packages are those of the lock file. */
export function installPeers(say: (text: string) => void): void {
  const wanted = readFileSync(`${here}package-lock.json`, 'utf8')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) return
  say('installing the peers into test/bench …')
  const { status, error } = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--no-save'], {
    cwd: here,
    stdio: ['ignore', 'ignore', 'inherit'],
    // On Windows npm is a batch file.
    shell: process.platform === 'win32',
    // Started by npm itself, its variables name the folder of the project.
    env: Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^npm_(?:config_local_prefix|package)/i.test(name)),
    ),
  })
  if (status !== 0)
    throw new Error(`the peers could not be installed${error === undefined ? '' : `: ${error.message}`}`)
  writeFileSync(stampFile, wanted)
}
