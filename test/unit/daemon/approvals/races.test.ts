/**
 * Everything that can happen to approvals, in a random order and all at once, over a store that answers late and, for
 * some seeds, fails. An oracle that knows only what the operator was shown and did says what may hold at each moment.
 * MOORING_SEED=n runs one order again.
 */
import { describe, expect, it } from 'vitest'
import { Race } from './race.ts'
import { codeOf } from './world.ts'

const races = 10_000

async function run(seed: number): Promise<Race> {
  const race = new Race(seed)
  try {
    await race.run()
  } catch (error) {
    const replay = `MOORING_SEED=${seed} vitest run test/unit/daemon/approvals/races.test.ts`
    throw new Error(
      `seed ${seed}: ${error instanceof Error ? error.message : error}\n${replay}\n${race.story.join('\n')}`,
      {
        cause: error,
      },
    )
  }
  return race
}

describe('approval races', () => {
  const given = process.env.MOORING_SEED

  it(`keep what was shown and what is granted the same (${given === undefined ? `seeds 1 to ${races}` : `seed ${given}`})`, async () => {
    const seen = new Map<string, number>()
    const seeds = given === undefined ? Array.from({ length: races }, (_, i) => i + 1) : [Number(given)]
    for (const seed of seeds) {
      for (const outcome of (await run(seed)).outcomes) seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
    }
    if (given !== undefined) return
    // Proof that the interesting orders were met, and not only the harmless ones.
    for (const outcome of [
      'hello approved',
      'hello approved and asking',
      'hello pending',
      'hello approval-denied',
      'hello revoked',
      'hello invite-invalid',
      'approve resolved',
      'approve digest-mismatch',
      'approve request-superseded',
      'approve request-decided',
      'approve request-expired',
      'approve grant-not-requested',
      'approve name-taken',
      'approve wrong-state',
      'approve storage-full',
      'approve connection-lost',
      'deny resolved',
      'deny request-decided',
      'deny request-expired',
      'revoke resolved',
      'revoke storage-full',
      'narrow resolved',
      'narrow storage-full',
      'invite claimed',
      'came back by a later invite',
      'cut while an approval was being written',
    ]) {
      expect([outcome, (seen.get(outcome) ?? 0) > 0]).toEqual([outcome, true])
    }
  }, 240_000)

  it('go the same way for the same seed', async () => {
    expect((await run(7)).story).toEqual((await run(7)).story)
    expect(await codeOf(Promise.resolve())).toBe('resolved')
  })
})
