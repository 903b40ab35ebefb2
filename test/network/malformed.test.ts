/**
 * Changes that Automerge would apply, or choke on, and nobody could load afterwards: each kind in many seeded variants. A
 * campaign has more of them: `npm run soak -- --only malformed`.
 */
import { describe, it } from 'vitest'
import { malformedEncodings } from '../fixtures/malformed-encodings.ts'
import { malformedOperations } from '../fixtures/malformed-operations.ts'
import { refusedRound } from '../fixtures/malformed-rounds.ts'

const variants = 100
const seed = process.env.MOORING_SEED ?? '1'

describe.each([...malformedEncodings, ...malformedOperations])('$kind', (malformed) => {
  it(`is refused ${variants} times, and leaves no trace (MOORING_SEED=${seed})`, () =>
    refusedRound(malformed, variants, seed))
})
