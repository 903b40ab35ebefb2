/** The campaigns of faults on real processes, short; `npm run soak` runs them long. */
import { expect, it, onTestFinished } from 'vitest'
import { replayCommand, Skipped } from '../soak/campaign.ts'
import { campaigns } from '../soak/index.ts'
import { Scene } from '../soak/scene.ts'

const seed = process.env.MOORING_SEED ?? '1'

for (const campaign of campaigns.filter(({ counts }) => counts.short > 0)) {
  const { counts, name, summary } = campaign
  const options = { count: counts.short, seed }
  it(`${name}: ${summary} (MOORING_SEED=${seed})`, async (context) => {
    const scene = new Scene()
    onTestFinished(() => scene.close())
    try {
      const figures = await campaign.run({ ...options, scene })
      expect(Object.keys(figures)).not.toEqual([])
    } catch (error) {
      if (error instanceof Skipped) return context.skip(error.message)
      throw new Error(`${String(error)}; repeat it with: ${replayCommand(name, options)}`, { cause: error })
    }
  }, 900_000)
}
