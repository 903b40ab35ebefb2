/**
 * The view worker, with blocks that end its thread: 666 always, 667 only in a thread that served another block before,
 * 668 by taking all memory there is, 669 whenever something is to be done within a limit.
 */
import { parentPort } from 'node:worker_threads'
import '../../../../daemon/views/view-worker.ts'

const served = new Set<number>()
const kept: number[][] = []

// The worker's own listener has answered the step by now; the thread ends before it can answer the next one.
parentPort?.on('message', ({ step, block, limit }: { step: string; block: number; limit?: object }) => {
  served.add(block)
  if (block === 669 && limit !== undefined) process.exit(9)
  if (step !== 'begin') return
  if (block === 666 || (block === 667 && served.size > 1)) process.exit(7)
  while (block === 668) kept.push(Array.from({ length: 10_000 }, Math.random))
})
