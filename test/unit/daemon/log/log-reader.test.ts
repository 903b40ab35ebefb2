/** Reading the log for those who watch: what a page costs, and who waits for whom. */
import { expect, it, vi } from 'vitest'
import { Authors } from '../../../../daemon/log/authors.ts'
import { LogReader } from '../../../../daemon/log/log-reader.ts'
import { openStorage } from '../../../../daemon/storage/index.ts'
import type { Storage } from '../../../../daemon/storage/storage.ts'
import { alice, bob } from '../../../fixtures/cast.ts'
import {
  actorOf,
  change,
  changeHash,
  changes,
  createBlock,
  recordingLog,
  self,
  signatureOf,
} from '../../../fixtures/storage-entries.ts'

const open = (): Promise<Storage> => openStorage({ backend: 'memory', dir: '', log: recordingLog(), self })

const signed = (block: number, actor: string) => ({
  tip: { actor: actorOf(actor), seq: 1, hash: changeHash(block, actor, 1), signature: signatureOf(actor) },
})

it('costs what is on the page, however many actors the block has had', async () => {
  const storage = await open()
  const block = await createBlock(storage)
  const actors = Array.from({ length: 3_000 }, (_, n) => `actor ${n}`)
  await storage.append(actors.map((actor) => change(block, actor, 1, signed(block, actor))))
  const before = await storage.lastSeq()
  await storage.append(changes(block, 'busy', 50))
  const clock = vi.spyOn(storage, 'clock')
  const readLog = vi.spyOn(storage, 'readLog')
  const reader = new LogReader(storage, new Authors(self, () => []))
  const { groups } = await reader.page(before, await storage.lastSeq(), block)
  expect(groups.flatMap(({ items }) => items)).toHaveLength(50)
  expect(clock).not.toHaveBeenCalled()
  const pages = await Promise.all(readLog.mock.results.map(({ value }) => value as ReturnType<Storage['readLog']>))
  expect(pages.map((page) => page.clock.length)).toEqual([1])
})

it('lets what one peer reads wait for what the same peer reads, and for nobody else', async () => {
  const storage = await open()
  const block = await createBlock(storage)
  const gate = Promise.withResolvers<void>()
  const read = storage.readLog.bind(storage)
  const readLog = vi.spyOn(storage, 'readLog').mockImplementationOnce(async (query) => {
    await gate.promise
    return read(query)
  })
  const reader = new LogReader(storage, new Authors(self, () => []))
  const greedy = [reader.of(alice.peer), reader.of(alice.peer)].map((one) => one.page(0, 1, block))
  await reader.of(bob.peer).page(0, 1, block)
  expect(readLog).toHaveBeenCalledTimes(2)
  gate.resolve()
  await Promise.all(greedy)
  expect(readLog).toHaveBeenCalledTimes(3)
})
