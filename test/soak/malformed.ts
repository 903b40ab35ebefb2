/**
 * Changes that nobody could load afterwards, each kind so many times. Keeps: each is refused on the way in or set aside with
 * what builds on it, and the block loads on the daemon and on replicas.
 */
import { malformedEncodings } from '../fixtures/malformed-encodings.ts'
import { hiddenFaults, malformedOperations } from '../fixtures/malformed-operations.ts'
import { hiddenRound, refusedRound } from '../fixtures/malformed-rounds.ts'
import type { Campaign, CampaignOptions, Figures } from './campaign.ts'

async function run({ count, seed }: CampaignOptions): Promise<Figures> {
  const refused = [...malformedEncodings, ...malformedOperations]
  for (const malformed of refused) await refusedRound(malformed, count, seed)
  let builtUpon = 0
  for (let round = 0; round < count; round++) builtUpon += await hiddenRound(round, seed)
  return {
    kindsRefused: refused.length,
    refused: refused.length * count,
    kindsSetAside: hiddenFaults.length,
    setAside: hiddenFaults.length * count,
    dependantsKept: builtUpon,
  }
}

export const malformed: Campaign = {
  name: 'malformed',
  summary: 'changes that nobody could load afterwards are refused or set aside, and the block loads everywhere',
  unit: 'of each kind',
  // `network/malformed.test.ts` and `malformed-hidden.test.ts` are its short run.
  counts: { short: 0, long: 100 },
  run,
}
