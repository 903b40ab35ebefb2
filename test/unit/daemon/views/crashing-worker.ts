/**
 * The view worker, with blocks that end its thread: 666 always, 667 only in a thread that served another block before,
 * 668 by taking all memory there is.
 */
import { parentPort } from 'node:worker_threads'
import '../../../../daemon/views/view-worker.ts'

const served = new Set<number>()
const kept: number[][] = []

// The worker's own listener has answered the step by now; the thread ends before it can answer the next one.
parentPort?.on('message', ({ step, block }: { step: string; block: number }) => {
  served.add(block)
  if (step !== 'begin') return
  if (block === 666 || (block === 667 && served.size > 1)) process.exit(7)
  while (block === 668) kept.push(Array.from({ length: 10_000 }, Math.random))
})
