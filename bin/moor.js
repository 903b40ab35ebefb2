#!/usr/bin/env node
// The only file of the command line that touches the process. It is plain old JavaScript, so that a runtime that is too
// old to run the rest still says so in one sentence. In a clone it continues with the runtime that npm installed there.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'

const minimum = [22, 18]
const parts = process.versions.node.split('.').map(Number)
const isNewEnough = parts[0] > minimum[0] || (parts[0] === minimum[0] && parts[1] >= minimum[1])
/** Set for the second runtime, so that one that is too old as well does not start a third. */
const marker = 'MOORING_SECOND_RUNTIME'

if (isNewEnough) {
  runHere()
} else {
  const own = ownRuntime()
  if (own === undefined || process.env[marker] !== undefined) {
    process.stderr.write(`moor needs Node.js ${minimum.join('.')} or newer; this is ${process.versions.node}.\n`)
    process.exitCode = 1
  } else {
    runWith(own)
  }
}

function ownRuntime() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  const path = fileURLToPath(new URL(`../node_modules/node/bin/${name}`, import.meta.url))
  return existsSync(path) ? path : undefined
}

function runWith(runtime) {
  const env = Object.assign({}, process.env)
  env[marker] = '1'
  // As it was called: the second one looks at it as well.
  const script = process.argv[1] || fileURLToPath(import.meta.url)
  const child = spawn(runtime, [script].concat(process.argv.slice(2)), { stdio: 'inherit', env: env })
  // A terminal tells both; the second one decides how to end. What is sent to this one alone is passed on.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {
    child.kill('SIGTERM')
  })
  child.on('error', (error) => {
    process.stderr.write(`moor cannot run ${runtime}: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code === null ? (signal === 'SIGINT' ? 130 : 1) : code
  })
}

/** What the operator types to get here: in a clone and for a package of one folder the shell does not know `moor`. */
function howCalled(isClone) {
  const isByNpx = process.env.npm_command === 'exec'
  const isByPath = isClone && basename(process.argv[1] || '') !== 'moor'
  return isByNpx || isByPath ? 'npx moor' : 'moor'
}

async function runHere() {
  delete process.env[marker]
  const source = new URL('../daemon/cli/main.ts', import.meta.url)
  // A clone has the sources, a package only what was compiled from them.
  const entry = existsSync(fileURLToPath(source)) ? source : new URL('../dist/daemon/cli/main.js', import.meta.url)
  const { runCli } = await import(entry.href)
  const interrupt = new AbortController()
  // Once: a second Ctrl-C ends the process even if something does not let go.
  process.once('SIGINT', () => interrupt.abort())
  // The reader of a pipe left: there is nobody to write for.
  process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  process.exitCode = await runCli({
    argv: process.argv.slice(2),
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    isTTY: {
      stdin: process.stdin.isTTY === true,
      stdout: process.stdout.isTTY === true,
      stderr: process.stderr.isTTY === true,
    },
    call: howCalled(entry === source),
    columns: process.stdout.columns,
    platform: process.platform,
    homedir: homedir(),
    uid: typeof process.getuid === 'function' ? process.getuid() : undefined,
    execPath: process.execPath,
    signal: interrupt.signal,
    canSignal: (pid) => {
      try {
        process.kill(pid, 0)
        return true
      } catch (error) {
        // The process of somebody else is a process all the same.
        return error.code === 'EPERM'
      }
    },
  })
}
