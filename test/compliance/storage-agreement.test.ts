/** Both backends answer any sequence of appends alike: what one of them stores, refuses and remembers, so does the other. */
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openStorage } from '../../daemon/storage/index.ts'
import type { LogEntry, Storage } from '../../daemon/storage/storage.ts'
import {
  actorOf,
  alice,
  bob,
  change,
  changeHash,
  create,
  daemon,
  hashOf,
  peerRow,
  readAll,
  recordingLog,
  self,
  signatureOf,
} from '../fixtures/storage-entries.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const author = fc.record({
  origin: fc.constantFrom(daemon, alice, bob),
  grantVersion: fc.integer({ min: 1, max: 2 }),
})
const block = fc.integer({ min: 1, max: 4 })
const actor = fc.constantFrom('a', 'b', 'c')

const changeEntry = fc
  .record({
    author,
    block,
    actor,
    n: fc.integer({ min: 1, max: 5 }),
    deps: fc.array(fc.record({ actor, n: fc.integer({ min: 1, max: 5 }) }), { maxLength: 3 }),
    bytes: fc.uint8Array({ maxLength: 300 }),
    hasTip: fc.boolean(),
    objects: fc.uniqueArray(
      fc.record({
        id: fc.integer({ min: 1, max: 9 }).map((n) => `${n}@${actorOf('a')}`),
        type: fc.constantFrom('map', 'list', 'text', 'table'),
        depth: fc.integer({ min: 1, max: 64 }),
      }),
      { selector: ({ id }) => id, maxLength: 2 },
    ),
  })
  .map((drawn): LogEntry => {
    const { n, bytes } = drawn
    const hash = changeHash(drawn.block, drawn.actor, n)
    const tip = { actor: actorOf(drawn.actor), seq: n, hash, signature: signatureOf(`${n}`) }
    return change(drawn.block, drawn.actor, n, {
      ...drawn.author,
      bytes,
      deps: drawn.deps.map((dep) => changeHash(drawn.block, dep.actor, dep.n)),
      // Automerge object ids are unique per block, so the same id always has the same row.
      objects: drawn.objects.map(({ id, type, depth }) => ({ id: `${id}${type}${depth}`, type, depth })),
      ...(drawn.hasTip ? { tip } : {}),
    })
  })

const entry = fc.oneof(
  { weight: 6, arbitrary: changeEntry },
  {
    weight: 2,
    arbitrary: fc
      .record({ author, label: fc.constantFrom('x', 'y'), schema: fc.constantFrom('notes', 'tasks') })
      .map(({ author: by, label, schema }): LogEntry => create(`space:home/${label}`, { ...by, schema })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ author, block })
      .map((drawn): LogEntry => ({ kind: 'delete', block: drawn.block, ...drawn.author })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({
        author,
        block,
        description: fc.constantFrom('', 'this', 'that'),
        pinned: fc.constantFrom(undefined, false, true),
        atMs: fc.integer({ min: 999, max: 1_002 }),
        isRecalled: fc.boolean(),
      })
      .map(
        ({ author: by, description, pinned, ...drawn }): LogEntry => ({
          kind: 'meta',
          patch: { description, pinned },
          ...drawn,
          ...by,
        }),
      ),
  },
)

/** Either a call of append, or a new grant version of a peer. */
const step = fc.oneof(
  { weight: 5, arbitrary: fc.array(entry, { minLength: 1, maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom(alice, bob) },
)

async function apply(storage: Storage, steps: readonly (LogEntry[] | typeof alice)[]) {
  const outcomes: unknown[] = []
  for (const next of steps) {
    if (Array.isArray(next)) {
      outcomes.push(await storage.append(next))
      continue
    }
    const known = (await storage.peers()).find(({ peer }) => peer === next.peer)?.grantVersion ?? 0
    await storage.decide({
      atMs: 1,
      peer: { row: peerRow(next, { grantVersion: known + 1 }), expectGrantVersion: known },
    })
  }
  const blocks = await storage.blocks()
  const states = []
  for (const { id } of blocks) {
    const { clock, objects, ...state } = await storage.blockState(id)
    states.push({ ...state, clock: new Set(clock), objects: new Set(objects) })
  }
  const log = await readAll(storage)
  return { outcomes, blocks, states, log, seq: await storage.lastSeq(), peers: new Set(await storage.peers()) }
}

describe('the backends', () => {
  it('agree on any sequence of appends and decisions', async () => {
    const property = fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const init = { dir: tempDir(), log: recordingLog(), self }
      const memory = await openStorage({ backend: 'memory', ...init })
      const sqlite = await openStorage({ backend: 'sqlite', ...init })
      onTestFinished(() => sqlite.close())
      const expected = await apply(memory, steps)
      expect(await apply(sqlite, steps)).toEqual(expected)
      await sqlite.close()
      const again = await openStorage({ backend: 'sqlite', ...init })
      onTestFinished(() => again.close())
      const rest: LogEntry[] = [create('space:home/x'), change(1, 'z', 1, { deps: [hashOf('none')] })]
      expect(await apply(again, [rest])).toEqual(await apply(memory, [rest]))
      await again.close()
    })
    await fc.assert(property, { numRuns: 15 })
  }, 60_000)
})
