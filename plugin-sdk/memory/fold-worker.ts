/** Entry of the thread that makes one snapshot and ends, so that the memory it took goes back with it. */
import { parentPort, workerData } from 'node:worker_threads'
import { type FoldTask, fold } from './fold.ts'

const port = parentPort
if (port === null) throw new Error('this file is the entry of a worker thread')

port.postMessage(fold(workerData as FoldTask))
