/**
 * Run as a process of its own: imports the file named on the command line and prints what was loaded for it. The file of
 * a worker thread refuses to run here, which is after everything it imports was loaded.
 */
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'

const loaded: string[] = []
registerHooks({
  load(url, context, nextLoad) {
    loaded.push(url)
    return nextLoad(url, context)
  },
})
let failure = ''
try {
  await import(pathToFileURL(process.argv[2] ?? '').href)
} catch (error) {
  failure = String(error)
}
// At once: a timer or a thread that the import started must not keep the answer waiting.
process.stdout.write(JSON.stringify({ loaded, failure }), () => process.exit(0))
