/** Fuzzed frames in both directions; `npm run fuzz` says a million of them. */
import { expect, it } from 'vitest'
import { fuzzFrames } from './fuzz-frames.ts'

const count = Number(process.env.MOORING_FUZZ_COUNT ?? 4_000)
const seed = process.env.MOORING_SEED ?? '1'

it(`leaves daemon and plugins as they were after ${count} fuzzed frames (MOORING_SEED=${seed})`, async () => {
  const { codes, frames, honest } = await fuzzFrames({ count, seed })
  expect(frames).toBeGreaterThanOrEqual(count)
  expect(honest).toBeGreaterThan(count / 200)
  for (const code of ['malformed', 'unknown-frame', 'wrong-state', 'unknown-handle', 'frame-too-large']) {
    expect(codes.get(code) ?? 0, code).toBeGreaterThan(0)
  }
  // A failure inside would be our own fault.
  expect(codes.get('internal') ?? 0).toBe(0)
}, 600_000)
