/**
 * `npm run fuzz -- [--count N] [--seed S]`: frames that nobody would say, to the daemon and to plugins. Prints how the
 * streams ended and by how much the process grew; ends at the first thing that must not happen.
 */
import { parseArgs } from 'node:util'
import { fuzzFrames } from '../test/network/fuzz-frames.ts'

const { values } = parseArgs({
  options: { count: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '1' } },
})
const count = Number(values.count)
/** A part is a world of its own: a failure is repeated by its seed and count alone. */
const perPart = 20_000
const codes = new Map<string, number>()
const total = { frames: 0, streams: 0, honest: 0 }
const megabytes = (): number => Math.round(process.memoryUsage.rss() / 2 ** 20)
let before = 0

for (let part = 0; total.frames < count; part++) {
  const seed = part === 0 ? values.seed : `${values.seed}.${part}`
  const size = Math.min(perPart, count - total.frames)
  try {
    const figures = await fuzzFrames({ count: size, seed })
    for (const [code, times] of figures.codes) codes.set(code, (codes.get(code) ?? 0) + times)
    total.frames += figures.frames
    total.streams += figures.streams
    total.honest += figures.honest
  } catch (error) {
    console.error(`failed: npm run fuzz -- --seed ${seed} --count ${size}`)
    throw error
  }
  // The first part loads the engine and warms everything up.
  if (part === 0) before = megabytes()
}

console.log(`${total.frames} frames on ${total.streams} streams; ${total.honest} honest edits settled meanwhile`)
console.log(`memory ${before} MB after the first part, ${megabytes()} MB at the end`)
for (const [code, times] of [...codes].sort(([, a], [, b]) => b - a))
  console.log(`  ${String(times).padStart(8)}  ${code}`)
