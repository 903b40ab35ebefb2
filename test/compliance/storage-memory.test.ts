/** The memory backend keeps the promises of the storage port. */
import { openStorage } from '../../daemon/storage/index.ts'
import { recordingLog } from '../fixtures/storage-entries.ts'
import type { StorageSetup } from './storage.suite.ts'
import { storageSuite } from './storage.suite.ts'

const setup: StorageSetup = async (self) => ({
  storage: await openStorage({ backend: 'memory', dir: '', log: recordingLog(), self }),
})

storageSuite('memory', setup, { keepsNothing: true })
