/**
 * Entry of the view thread. Keeps: one step at a time, in the order they came, each answered once.
 */
import './wasm-ceiling.ts'
import { parentPort } from 'node:worker_threads'
import { readSchedstat, threadCpuClock } from './thread-cpu.ts'
import { ViewEngine } from './view-engine.ts'
import type { StepMessage, StepReply } from './view-steps.ts'

const port = parentPort
if (port === null) throw new Error('this file is the entry of a worker thread')

const engine = new ViewEngine({
  cpuMs: threadCpuClock({ threadCpuUsage: process.threadCpuUsage?.bind(process), readSchedstat }),
  memoryBytes() {
    const { heapTotal, external } = process.memoryUsage()
    return heapTotal + external
  },
})

port.on('message', (message: StepMessage) => {
  const reply = engine.run(message)
  const isSnapshot = message.step === 'snapshot' && reply.kind === 'done' && reply.answer !== undefined
  const bytes = isSnapshot && 'bytes' in reply.answer ? [reply.answer.bytes.buffer as ArrayBuffer] : []
  port.postMessage(reply, bytes)
})
port.postMessage({ kind: 'ready' } satisfies StepReply)
