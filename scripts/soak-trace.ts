/** `npm run soak:trace [EDITS]`: the recorded editing session, all 259,778 edits unless told otherwise; prints the figures. */
import { runTrace } from '../test/fixtures/trace-run.ts'

const edits = Number(process.argv[2] ?? 259_778)
const figures = await runTrace(edits)
console.log(figures)
const isGood =
  figures.echoed === 0 &&
  figures.stored === edits &&
  figures.renderedBefore &&
  figures.renderedAfter &&
  figures.chars > 0
if (!isGood) process.exitCode = 1
