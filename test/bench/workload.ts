/** What a workload is, and how much of it there is. */
import type { Sizes } from './sizes.ts'
import type { World } from './world.ts'

export interface Metric {
  readonly name: string
  readonly unit: string
  /** What Mooring is to reach, for people: the rest depends on the machine. */
  readonly target?: string
}

/** By metric. One that is absent could not be measured on this machine. */
export type Values = Readonly<Record<string, number | undefined>>

export interface Workload {
  readonly name: string
  /** One sentence, under the name in the table. */
  readonly what: (sizes: Sizes) => string
  readonly metrics: readonly Metric[]
  /** Times that every subject runs it. @default that of the sizes */
  readonly repeats?: (sizes: Sizes) => number
  /** What one value stands for several. @default the median */
  readonly worstCounts?: boolean
  run(world: World, sizes: Sizes): Promise<Values>
  /** The same work by Automerge alone, for the metrics where there is such a thing. */
  local?(sizes: Sizes, runLocal: RunLocal): Promise<Values>
}

/** Runs `local.ts`; answers its milliseconds. `file` is kept until the workload ends. */
export type RunLocal = (command: string, ...args: readonly string[]) => Promise<number>
