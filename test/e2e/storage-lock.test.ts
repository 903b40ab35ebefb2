/** One store per state directory, for as long as its process lives and no longer. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { openStorage } from '../../daemon/storage/index.ts'
import { LineProcess } from '../fixtures/line-process.ts'
import { recordingLog, self } from '../fixtures/storage-entries.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const writer = new URL('../fixtures/storage-writer.ts', import.meta.url)
const open = (dir: string) => openStorage({ backend: 'sqlite', dir, log: recordingLog(), self })

describe('the state directory', () => {
  it('is refused while another process has it, and is free again after that process was killed', async () => {
    const dir = tempDir()
    const holder = LineProcess.run(writer, 'hold', dir)
    expect(await holder.expectLine()).toBe('open')
    await expect(open(dir)).rejects.toMatchObject({ code: 'state-in-use' })
    await holder.kill()
    const storage = await open(dir)
    onTestFinished(() => storage.close())
    expect(await storage.lastSeq()).toBe(0)
  }, 20_000)

  it('is refused to a second store of the same process, and the first one goes on', async () => {
    const dir = tempDir()
    const first = await open(dir)
    onTestFinished(() => first.close())
    await expect(open(dir)).rejects.toMatchObject({ code: 'state-in-use' })
    await expect(open(dir)).rejects.toMatchObject({ code: 'state-in-use' })
    expect(await first.openEpoch()).toMatchObject({ startSeq: 0 })
    await first.close()
    const second = await open(dir)
    onTestFinished(() => second.close())
    expect(await second.epochs()).toHaveLength(1)
  })
})
