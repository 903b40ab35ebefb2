/** What every block schema keeps, shown on the schema's own containers; a schema in the table is covered by that alone. */
import { createHash } from 'node:crypto'
import * as Automerge from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import { render } from '../../daemon/views/render.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { type SchemaName, schemaNamed } from '../../protocol/schemas/index.ts'
import { ownsActor, plainActor } from '../../protocol/sync/actor.ts'
import { readChange } from '../../protocol/sync/change-structure.ts'

type Root = Record<string, unknown>
type Document = Automerge.Doc<Root>

const peer = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5' as PeerId

export function schemaSuite(name: SchemaName): void {
  const { initial, version, ...schema } = schemaNamed(name)
  const decoded = () => Automerge.decodeChange(initial.bytes)
  const create = (): Document => Automerge.applyChanges(Automerge.init<Root>(), [initial.bytes])[0]
  /** Containers below the root, as key and what Automerge calls the operation that made it. */
  const containers = () =>
    decoded().ops.flatMap(({ obj, key, action }) =>
      obj === '_root' && key !== undefined ? [{ key: String(key), action }] : [],
    )

  /** One edit of every container that says who made it. */
  function edit(document: Document, who: string): Document {
    return Automerge.change(document, (root) => {
      for (const { key, action } of containers()) {
        if (action === 'makeText') Automerge.splice(root, [key], 0, 0, `by ${who}.`)
        else if (action === 'makeMap' || action === 'makeTable')
          Object.assign(root[key] as object, { [who]: `by ${who}.` })
        else (root[key] as string[]).push(`by ${who}.`)
      }
    })
  }

  describe(`schema ${name}`, () => {
    it('begins with the bytes that Automerge makes of its containers', () => {
      const actor = createHash('sha256').update(`mooring schema ${name} ${version}`).digest('hex').slice(0, 32)
      const empty: Record<string, () => unknown> = { makeText: () => '', makeMap: () => ({}), makeList: () => [] }
      const document = Automerge.change(Automerge.init<Root>({ actor }), { time: 0 }, (root) => {
        for (const { key, action } of containers()) root[key] = empty[action]?.()
      })
      expect(containers()).not.toHaveLength(0)
      expect(Automerge.getLastLocalChange(document)).toEqual(initial.bytes)
    })

    it('says of its first change what Automerge says', () => {
      const { actor, seq, hash, startOp, ops, deps, time, message } = decoded()
      expect({ actor, seq, hash, maxOp: startOp + ops.length - 1, ops: ops.length }).toEqual({
        actor: initial.actor,
        seq: initial.seq,
        hash: initial.hash,
        maxOp: initial.maxOp,
        ops: initial.ops,
      })
      expect({ deps, time, message }).toEqual({ deps: [], time: 0, message: null })
    })

    it('begins with a change that passes the structural rules', () => {
      const facts = readChange(initial.bytes)
      expect(facts).toMatchObject({ hash: initial.hash, actor: initial.actor, seq: initial.seq, deps: [], actors: [] })
      expect([facts.maxOp, facts.ops]).toEqual([initial.maxOp, initial.ops])
      const depths = new Map([['_root', 0]])
      for (const { opId, parent } of facts.made) depths.set(opId, (depths.get(parent) ?? Number.NaN) + 1)
      expect(facts.made.map(({ opId, type }) => ({ id: opId, type, depth: depths.get(opId) }))).toEqual(initial.objects)
    })

    it('begins with a change that nobody owns', () => {
      expect(plainActor(initial.actor)).toBeUndefined()
      expect(ownsActor(peer, peer, initial.actor)).toBe(false)
    })

    it('merges what two replicas wrote that created it apart from each other', () => {
      const alice = edit(create(), 'alice')
      const bob = edit(create(), 'bob')
      const atAlice = Automerge.merge(Automerge.clone(alice), bob)
      const atBob = Automerge.merge(Automerge.clone(bob), alice)
      expect(Automerge.toJS(atAlice)).toEqual(Automerge.toJS(atBob))
      for (const { key } of containers()) {
        expect(JSON.stringify(atAlice[key])).toContain('by alice.')
        expect(JSON.stringify(atAlice[key])).toContain('by bob.')
        expect(Automerge.getConflicts(atAlice, key)).toBeUndefined()
      }
      expect(Automerge.load(Automerge.save(atAlice))).toEqual(Automerge.toJS(atAlice))
    })

    it('shows people what was written', () => {
      const document = edit(create(), 'alice')
      expect(render(name, document)).toContain('by alice.')
      expect(render(name, create())).not.toContain('alice')
    })

    it('shows a document in which a plugin put other things where the containers were', () => {
      for (const hostile of [{}, Object.fromEntries(containers().map(({ key }) => [key, [null, { deep: [1] }]]))]) {
        expect(typeof schema.describe(hostile)).toBe('string')
      }
    })
  })
}
