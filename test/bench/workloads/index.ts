/** The workloads, in the order of the table. */
import type { Workload } from '../workload.ts'
import { cold } from './cold.ts'
import { crash } from './crash.ts'
import { fanout10, fanout50 } from './fanout.ts'
import { idle } from './idle.ts'
import { latency } from './latency.ts'
import { many } from './many.ts'
import { reconnect } from './reconnect.ts'
import { replay1, replay100 } from './replay.ts'

export const workloads: readonly Workload[] = [
  latency,
  fanout10,
  fanout50,
  replay1,
  replay100,
  cold,
  reconnect,
  many,
  crash,
  idle,
]
