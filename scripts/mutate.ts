/**
 * `npm run mutate [-- --only NAME …] [--list]`: switches each defence off, one at a time, in a copy of the sources, and
 * fails unless a test turns red each time. Keeps: a defence that nothing checks is found before somebody removes it.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runGate } from '../test/mutation/gate.ts'
import { mutations } from '../test/mutation/index.ts'

const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true, default: [] }, list: { type: 'boolean', default: false } },
})
const width = Math.max(...mutations.map(({ name }) => name.length))
if (values.list) {
  for (const { name, promise } of mutations) console.log(`${name.padEnd(width)}  ${promise}`)
  process.exit(0)
}
const unknown = values.only.filter((name) => !mutations.some((mutation) => mutation.name === name))
if (unknown.length > 0) {
  console.error(`no such mutation: ${unknown.join(', ')}; --list names them all`)
  process.exit(2)
}
const chosen = mutations.filter(({ name }) => values.only.length === 0 || values.only.includes(name))
const interrupted = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort(new Error(name)))

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '')
try {
  const outcomes = await runGate({
    root,
    mutations: chosen,
    signal: interrupted.signal,
    onOutcome: ({ name, verdict, detail }) =>
      console.log(`${name.padEnd(width)}  ${verdict.padEnd(10)}  ${detail.replaceAll('\n', ' ')}`),
  })
  const caught = outcomes.filter(({ verdict }) => verdict === 'caught').length
  console.log(`${caught} of ${outcomes.length} defences are missed when they are off`)
  if (caught < outcomes.length) process.exitCode = 1
} catch (error) {
  if (!interrupted.signal.aborted) throw error
  process.exitCode = 130
}
