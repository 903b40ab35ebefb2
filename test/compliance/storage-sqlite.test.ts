/** The SQLite backend keeps the promises of the storage port, on real files. */
import { onTestFinished } from 'vitest'
import { openStorage } from '../../daemon/storage/index.ts'
import { recordingLog } from '../fixtures/storage-entries.ts'
import { tempDir } from '../fixtures/temp-dir.ts'
import { storageSuite } from './storage.suite.ts'

storageSuite('sqlite', async (self) => {
  const dir = tempDir()
  const open = () => openStorage({ backend: 'sqlite', dir, log: recordingLog(), self })
  let storage = await open()
  onTestFinished(() => storage.close())
  const reopen = async () => {
    await storage.close()
    storage = await open()
    return storage
  }
  return { storage, reopen }
})
