/**
 * What a campaign is: faults on real processes, as many rounds as asked for, all that is random from one seed. Keeps: a
 * campaign throws when a promise is broken, and what it returns are measurements, which decide nothing.
 */
import type { Scene } from './scene.ts'

export interface CampaignOptions {
  /** Rounds, images or faults, as the campaign says. */
  readonly count: number
  readonly seed: string
  /** Ends with everything that was started in it. */
  readonly scene: Scene
}

/** For people: what was done and what was measured. */
export type Figures = Readonly<Record<string, number | string>>

export interface Campaign {
  readonly name: string
  readonly summary: string
  /** What one of `count` is. */
  readonly unit: string
  /** `short` is what every run of the tests does; 0 leaves the campaign to `npm run soak`. */
  readonly counts: { readonly short: number; readonly long: number }
  run(options: CampaignOptions): Promise<Figures>
}

/** This machine lacks what a campaign needs: it was not run, and is to be counted as skipped. */
export class Skipped extends Error {}

/** The command that repeats a campaign. */
export const replayCommand = (name: string, { count, seed }: Pick<CampaignOptions, 'count' | 'seed'>): string =>
  `npm run soak -- --only ${name} --count ${count} --seed ${seed}`

/** @throws with `what`, and the values that were compared */
export function mustHold(isTrue: boolean, what: string, ...values: unknown[]): asserts isTrue {
  if (!isTrue) throw new Error(`${what} ${values.map((value) => JSON.stringify(value)?.slice(0, 400)).join(' ')}`)
}
