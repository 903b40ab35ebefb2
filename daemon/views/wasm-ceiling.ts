/**
 * Loaded before the engine is: bounds the WebAssembly memory of this thread. Keeps: a change that expands without end ends
 * its own thread, and not the process, which a system that is out of memory would choose.
 */
import { setFlagsFromString } from 'node:v8'
import { workerData } from 'node:worker_threads'

const pagesPerMb = 16

export interface ViewWorkerData {
  readonly wasmMb: number
}

const data = workerData as ViewWorkerData | null
if (data === null) throw new Error('this file is loaded by the entry of a worker thread')
// The limits of a worker cover its JavaScript heap alone, where the engine keeps nothing.
setFlagsFromString(`--wasm-max-mem-pages=${data.wasmMb * pagesPerMb}`)
