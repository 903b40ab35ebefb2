/** What every block schema keeps, shown on the schema's own containers; a schema in the table is covered by that alone. */
import { createHash } from 'node:crypto'
import * as Automerge from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import { render } from '../../daemon/views/render.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import {
  type BlockSchema,
  frozenOf,
  migration,
  type SchemaName,
  type SchemaOptions,
  schemaNamed,
} from '../../protocol/schemas/index.ts'
import { ownsActor, plainActor } from '../../protocol/sync/actor.ts'
import { readChange } from '../../protocol/sync/change-structure.ts'

type Root = Record<string, unknown>
type Document = Automerge.Doc<Root>

const peer = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5' as PeerId

/** A table as well as a schema that is in none: what is asked of them is the same. */
export function schemaSuite(name: SchemaName): void {
  schemaSuiteOf(schemaNamed(name), render.bind(undefined, name))
}

export function schemaSuiteOf(schema: BlockSchema, show: (root: unknown, options?: SchemaOptions) => string): void {
  const { name } = schema
  const frozen = frozenOf(schema)
  const decoded = frozen.map(({ bytes }) => Automerge.decodeChange(bytes))
  const create = (upTo = frozen.length): Document =>
    Automerge.applyChanges(
      Automerge.init<Root>(),
      frozen.slice(0, upTo).map(({ bytes }) => bytes),
    )[0]
  const upgrade = (document: Document): Document =>
    Automerge.applyChanges(
      document,
      migration(schema, (hash) => Automerge.hasHeads(document, [hash])).map(({ bytes }) => bytes),
    )[0]

  interface Container {
    readonly path: readonly string[]
    readonly action: string
  }
  /** What the first `count` frozen changes make, each with its path and what Automerge calls the operation. */
  function containersOf(count: number): Container[] {
    const paths = new Map<string, readonly string[]>([['_root', []]])
    return decoded.slice(0, count).flatMap(({ actor, startOp, ops }) =>
      ops.map(({ obj, key, action }, index) => {
        const path = [...(paths.get(obj) ?? []), String(key)]
        paths.set(`${startOp + index}@${actor}`, path)
        return { path, action }
      }),
    )
  }
  const containers = containersOf(frozen.length)
  /** Those that no other container is in. */
  const leaves = containers.filter(({ path }) => !containers.some((other) => isInside(other.path, path)))

  /** One edit of every container that says who made it. */
  function edit(document: Document, who: string, count = frozen.length): Document {
    const all = containersOf(count)
    return Automerge.change(document, (root) => {
      for (const { path, action } of leaves.filter((leaf) => all.some((each) => isSame(each.path, leaf.path)))) {
        if (action === 'makeText') Automerge.splice(root, [...path], 0, 0, `by ${who}.`)
        else if (action === 'makeMap') Object.assign(at(root, path) as object, { [who]: `by ${who}.` })
        else (at(root, path) as string[]).push(`by ${who}.`)
      }
    })
  }

  describe(`schema ${name}`, () => {
    it('begins with the bytes that Automerge makes of its containers, and goes on with them', () => {
      const empty: Record<string, () => unknown> = { makeText: () => '', makeMap: () => ({}), makeList: () => [] }
      for (const [index, { bytes }] of frozen.entries()) {
        const actor = createHash('sha256')
          .update(`mooring schema ${name} ${index + 1}`)
          .digest('hex')
          .slice(0, 32)
        const before = Automerge.clone(create(index), { actor })
        const made = containersOf(index + 1).slice(containersOf(index).length)
        expect(made).not.toHaveLength(0)
        const document = Automerge.change(before, { time: 0 }, (root) => {
          for (const { path, action } of made) {
            const parent = at(root, path.slice(0, -1)) as Root
            parent[path.at(-1) ?? ''] = empty[action]?.()
          }
        })
        expect(Automerge.getLastLocalChange(document)).toEqual(bytes)
      }
      expect(schema.version).toBe(frozen.length)
    })

    it('says of its frozen changes what Automerge says', () => {
      for (const [index, change] of frozen.entries()) {
        const { actor, seq, hash, startOp, ops, deps, time, message } = decoded[index] ?? expect.fail()
        expect({ actor, seq, hash, maxOp: startOp + ops.length - 1, ops: ops.length }).toEqual({
          actor: change.actor,
          seq: change.seq,
          hash: change.hash,
          maxOp: change.maxOp,
          ops: change.ops,
        })
        const before = frozen[index - 1]
        expect({ deps, time, message }).toEqual({ deps: before ? [before.hash] : [], time: 0, message: null })
        expect(startOp).toBe((before?.maxOp ?? 0) + 1)
      }
    })

    it('has frozen changes that pass the structural rules', () => {
      const depths = new Map([['_root', 0]])
      for (const change of frozen) {
        const facts = readChange(change.bytes)
        expect(facts).toMatchObject({ hash: change.hash, actor: change.actor, seq: change.seq })
        expect([facts.maxOp, facts.ops]).toEqual([change.maxOp, change.ops])
        for (const { opId, parent } of facts.made) depths.set(opId, (depths.get(parent) ?? Number.NaN) + 1)
        const made = facts.made.map(({ opId, type }) => ({ id: opId, type, depth: depths.get(opId) }))
        expect(made).toEqual(change.objects)
      }
    })

    it('has frozen changes that nobody owns', () => {
      for (const { actor } of frozen) {
        expect(plainActor(actor)).toBeUndefined()
        expect(ownsActor(peer, peer, actor)).toBe(false)
      }
      expect(new Set(frozen.map(({ actor }) => actor)).size).toBe(frozen.length)
    })

    it('merges what two replicas wrote that created it apart from each other', () => {
      const merged = expectMerged(edit(create(), 'alice'), edit(create(), 'bob'))
      expect(Automerge.load(Automerge.save(merged))).toEqual(Automerge.toJS(merged))
    })

    it('comes to one document of edits side by side, in whatever order they arrive', () => {
      const base = edit(create(), 'carol')
      const forks = ['alice', 'bob', 'dave'].map((who) => edit(edit(Automerge.clone(base), who), `${who}2`))
      const changes = forks.flatMap((fork) => Automerge.getChanges(base, fork))
      const [forwards] = Automerge.applyChanges(Automerge.clone(base), changes)
      const [backwards] = Automerge.applyChanges(Automerge.clone(base), changes.toReversed())
      expect(show(forwards)).toBe(show(backwards))
      expect(Automerge.getHeads(forwards)).toEqual(Automerge.getHeads(backwards))
      for (const who of ['alice', 'bob2', 'carol']) expect(show(forwards)).toContain(`by ${who}.`)
    })

    it('is brought up from every older version on two forks that merge, once and no more', () => {
      for (let version = 1; version < frozen.length; version++) {
        const old = edit(create(version), 'carol', version)
        const [alice, bob] = ['alice', 'bob'].map((who) => edit(upgrade(edit(Automerge.clone(old), who, version)), who))
        const merged = expectMerged(alice ?? expect.fail(), bob ?? expect.fail())
        expect(schema.validate(merged)).toEqual([])
        expect(JSON.stringify(merged)).toContain('by carol.')
      }
      const current = edit(create(), 'alice')
      expect(migration(schema, (hash) => Automerge.hasHeads(current, [hash]))).toEqual([])
      expect(Automerge.getHeads(upgrade(current))).toEqual(Automerge.getHeads(current))
    })

    it('has nothing against a document of its own', () => {
      expect(schema.validate(create())).toEqual([])
    })

    it('says what is missing, of another kind, or too much, and goes on', () => {
      for (const { path } of containers) {
        const key = path.join('.')
        const without = Automerge.change(create(), (root) => {
          delete (at(root, path.slice(0, -1)) as Root)[path.at(-1) ?? '']
        })
        expect(schema.validate(without)).toEqual([{ path: key, problem: 'is missing' }])
        const other = Automerge.change(create(), (root) => {
          ;(at(root, path.slice(0, -1)) as Root)[path.at(-1) ?? ''] = 7
        })
        expect(schema.validate(other)).toEqual([
          { path: key, problem: expect.stringContaining('is a number and not a ') },
        ])
        expect(typeof show(other)).toBe('string')
      }
      const more = Automerge.change(create(), (root) => {
        root.extra = { deep: [1] }
      })
      expect(schema.validate(more)).toEqual([{ path: 'extra', problem: 'is not in the schema' }])
      expect(show(edit(more, 'alice'))).toContain('by alice.')
    })

    it('names no more than so many places of a document that is wrong everywhere', () => {
      const wrong = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`key ${n}`, null]))
      expect(schema.validate(wrong)).toHaveLength(limits.maxProblems)
    })

    it('shows people what was written', () => {
      const document = edit(create(), 'alice')
      expect(show(document)).toContain('by alice.')
      expect(show(create())).not.toContain('alice')
    })

    it('shows a document in which a plugin put other things where the containers were', () => {
      const roots = containers.filter(({ path }) => path.length === 1).map(({ path: [key = ''] }) => key)
      for (const hostile of [{}, Object.fromEntries(roots.map((key) => [key, [null, { deep: [1] }]]))]) {
        expect(typeof schema.describe(hostile)).toBe('string')
      }
    })

    function expectMerged(alice: Document, bob: Document): Document {
      const atAlice = Automerge.merge(Automerge.clone(alice), bob)
      const atBob = Automerge.merge(Automerge.clone(bob), alice)
      expect(Automerge.toJS(atAlice)).toEqual(Automerge.toJS(atBob))
      for (const { path } of leaves) {
        expect(JSON.stringify(at(atAlice, path))).toContain('by alice.')
        expect(JSON.stringify(at(atAlice, path))).toContain('by bob.')
      }
      for (const { path } of containers) {
        const parent = at(atAlice, path.slice(0, -1)) as Document
        expect(Automerge.getConflicts(parent, path.at(-1) ?? '')).toBeUndefined()
      }
      return atAlice
    }
  })
}

const at = (root: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((value, key) => (value as Root)[key], root)
const isSame = (one: readonly string[], other: readonly string[]): boolean => one.join('.') === other.join('.')
const isInside = (inner: readonly string[], outer: readonly string[]): boolean =>
  inner.length > outer.length && isSame(inner.slice(0, outer.length), outer)
