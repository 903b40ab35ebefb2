/** How much of everything, whole and quick. Everything is bounded: a subject that does not get there is given up. */

export interface Sizes {
  readonly name: 'whole' | 'quick'
  readonly repeats: number
  /** For one command of a client, e.g. until it has the whole text. */
  readonly limitMs: number
  /** For all together; what has not begun by then is left out, with that reason. */
  readonly budgetMs: number
  readonly latencyPaced: number
  readonly latencyMax: number
  readonly fanout10: number
  readonly fanout50: number
  /** Edits of the recorded session. */
  readonly replay1: number
  readonly replay100: number
  /** From the end of `replay-1` until the server's memory is looked at once more; 0: it is not. */
  readonly restMs: number
  readonly cold: number
  readonly reconnectEdits: number
  readonly manyBlocks: number
  readonly crashEdits: number
  readonly crashRepeats: number
  readonly idleClients: number
  readonly idleMs: number
}

export const wholeSizes: Sizes = {
  name: 'whole',
  repeats: 3,
  limitMs: 300_000,
  budgetMs: Number.POSITIVE_INFINITY,
  latencyPaced: 200,
  latencyMax: 2_000,
  fanout10: 5_000,
  fanout50: 3_000,
  replay1: 259_778,
  replay100: 259_778,
  restMs: 60_000,
  cold: 259_778,
  reconnectEdits: 1_000,
  manyBlocks: 1_000,
  crashEdits: 200,
  crashRepeats: 5,
  idleClients: 200,
  idleMs: 30_000,
}

export const quickSizes: Sizes = {
  name: 'quick',
  repeats: 1,
  limitMs: 15_000,
  budgetMs: 230_000,
  latencyPaced: 20,
  latencyMax: 500,
  fanout10: 1_000,
  fanout50: 500,
  replay1: 10_000,
  replay100: 20_000,
  restMs: 0,
  cold: 20_000,
  reconnectEdits: 1_000,
  manyBlocks: 1_000,
  crashEdits: 50,
  crashRepeats: 1,
  idleClients: 200,
  idleMs: 4_000,
}
