/** A real daemon that is killed while it compacts: the block is what it was, and the rows go in the end. */
import { expect, it } from 'vitest'
import { openStorage } from '../../daemon/storage/index.ts'
import { alice, daemonPerson } from '../fixtures/cast.ts'
import { Home } from '../fixtures/command-line.ts'
import { actorOf, insert, textDoc } from '../fixtures/raw-replica.ts'
import { silentLog } from '../fixtures/sync-world.ts'
import { VerifiedWorld } from '../fixtures/verified-world.ts'

const notes = 'space:home/notes'
/** Enough that it is compacted by itself, in several transactions. */
const edits = 2_500
const kills = 3

interface Compacted {
  readonly blocks: readonly { address: string; rows: number }[]
}

it('survives SIGKILL during a compaction, however often', async () => {
  const home = new Home()
  await home.json('up')
  await home.json('down')
  const init = { backend: 'sqlite', dir: home.path, log: silentLog, self: daemonPerson.peer } as const
  const world = await VerifiedWorld.open(await openStorage(init))
  const { id } = await world.block(notes)
  let doc = textDoc(actorOf(alice))
  const made: Uint8Array[] = []
  for (let n = 0; n < edits; n++) {
    const next = insert(doc, n, String(n % 10))
    doc = next.doc
    made.push(next.bytes)
  }
  await world.inject(id, alice, ...made)
  await world.close()

  for (let n = 0; n < kills; n++) {
    await home.json('up')
    const { pid } = await home.json<{ pid: number }>('status')
    // Each time a little later: after so many answers of the daemon that is compacting meanwhile.
    const compacting = home.moor('compact', notes)
    for (let answer = 0; answer < n; answer++) await home.json('status')
    process.kill(pid, 'SIGKILL')
    await compacting
  }

  await home.json('up')
  expect(await home.json('block', 'show', notes)).toMatchObject({ text: doc.text })
  expect(await home.json('status')).toMatchObject({ changes: edits, quarantined: 0 })
  await home.json<Compacted>('compact', notes)
  const { blocks } = await home.json<Compacted>('compact', notes, '--dry-run')
  expect(blocks).toEqual([{ address: notes, rows: 0, bytes: 0 }])
  expect(await home.json('block', 'show', notes)).toMatchObject({ text: doc.text })
  const reset = await home.json<{ generation: number; changes: number }>('block', 'reset-history', notes, '--yes')
  expect(reset).toMatchObject({ before: edits, changes: 1 })
  expect(reset.generation).toBeGreaterThan(1)
  expect(await home.json('block', 'show', notes)).toMatchObject({ text: doc.text, generation: reset.generation })
})
