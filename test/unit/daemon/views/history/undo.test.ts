/** Undo and redo on documents alone: random edits of three people, whatever reached whom when. */
import { randomBytes } from 'node:crypto'
import * as A from '@automerge/automerge'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Timeline } from '../../../../../daemon/views/history/timeline.ts'
import { depthOf, takeBack } from '../../../../../daemon/views/history/undo.ts'
import { type ActorId, schemaNamed } from '../../../../../protocol/index.ts'
import { actorPrefix, makeActor } from '../../../../../protocol/sync/index.ts'
import { alice, bob, daemonPerson, mallory, type Person } from '../../../../fixtures/cast.ts'

const people = [alice, bob, mallory]
const digitsOf = (who: Person): string => Buffer.from(actorPrefix(daemonPerson.peer, who.peer)).toString('hex')
const actorOf = (who: Person): ActorId => makeActor(actorPrefix(daemonPerson.peer, who.peer), randomBytes(8))
const whose = (who: Person) => ({ block: 1, peer: who.peer, owner: digitsOf(who), daemon: digitsOf(daemonPerson) })

type Root = Record<string, unknown>

/** The daemon's document, and a replica for each of the three. */
class Room {
  daemon: A.Doc<Root>
  readonly replicas: A.Doc<Root>[]

  constructor(schema: 'text' | 'map') {
    const { bytes } = schemaNamed(schema).initial
    this.daemon = A.load<Root>(bytes)
    this.replicas = people.map((who) => A.load<Root>(bytes, { actor: actorOf(who) }))
  }

  edit(at: number, change: (root: Root) => void): void {
    this.replicas[at] = A.change(this.#replica(at), { time: 0 }, change)
    const made = A.getLastLocalChange(this.#replica(at))
    if (made !== undefined) this.daemon = A.applyChanges(this.daemon, [made])[0]
  }

  /** The replica gets all that the daemon has. */
  sync(at: number): void {
    this.replicas[at] = A.merge(this.#replica(at), this.daemon)
  }

  take(kind: 'undo' | 'redo', who: Person) {
    const engine = A.getBackend(this.daemon)
    const made = takeBack(engine, new Timeline().update(engine), {
      ...{ kind, actor: actorOf(daemonPerson), timeS: 1 },
      ...whose(who),
    })
    if (made === undefined) return undefined
    if ('refused' in made) throw new Error(made.refused.detail)
    this.daemon = A.applyChanges(this.daemon, [made.bytes])[0]
    return made
  }

  depth(who: Person) {
    return depthOf(new Timeline().update(A.getBackend(this.daemon)), whose(who))
  }

  /** As it is after the daemon has started again. */
  reopen(): void {
    this.daemon = A.load<Root>(A.save(this.daemon))
  }

  get value(): Root {
    return A.getBackend(this.daemon).materialize('/') as Root
  }

  get text(): string {
    return String(this.value.text)
  }

  #replica(at: number): A.Doc<Root> {
    const replica = this.replicas[at]
    if (replica === undefined) throw new Error('nobody is there')
    return replica
  }
}

const lettersOf = ['ABCDEFG', '1234567', 'abcdefg']
const edit = fc.record({
  who: fc.nat(2),
  at: fc.nat(40),
  remove: fc.nat(3),
  insert: fc.nat(5),
  isSynced: fc.boolean(),
})
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never

function write(room: Room, { who, at, remove, insert, isSynced }: Edit): void {
  if (isSynced) room.sync(who)
  room.edit(who, (root) => {
    const { length } = String(root.text)
    const from = Math.min(at, length)
    A.splice(root, ['text'], from, Math.min(remove, length - from), (lettersOf[who] ?? '').slice(0, insert))
  })
}

const wrote: Edit = { who: 0, at: 0, remove: 0, insert: 1, isSynced: false }
const erased: Edit = { who: 1, at: 0, remove: 1, insert: 0, isSynced: true }

const without = (text: string, letters: string): string =>
  [...text].filter((letter) => !letters.includes(letter)).join('')

function isWithin(part: string, whole: string): boolean {
  let at = 0
  for (const letter of part) {
    at = whole.indexOf(letter, at) + 1
    if (at === 0) return false
  }
  return true
}

describe('undo of one person, while two others write', () => {
  it('takes back all that it wrote, leaves what the others wrote, and redo brings it back', () => {
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 25 }), (edits) => {
        const room = new Room('text')
        for (const each of edits) write(room, each)
        const [before, { undo: depth, redo }] = [room.text, room.depth(alice)]
        const others = [room.depth(bob), room.depth(mallory)]
        expect(redo).toBe(0)
        for (let n = 1; n <= depth; n++) {
          expect(room.take('undo', alice)).toMatchObject({ undo: depth - n, redo: n })
          room.reopen()
          expect(room.depth(alice)).toEqual({ undo: depth - n, redo: n })
        }
        expect(room.take('undo', alice)).toBeUndefined()
        const mine = lettersOf[0] ?? ''
        expect(without(room.text, mine)).toBe(room.text)
        // What she had deleted of theirs is there again; nothing of theirs is gone.
        expect(isWithin(without(before, mine), room.text)).toBe(true)
        for (let n = 1; n <= depth; n++) expect(room.take('redo', alice)).toMatchObject({ undo: n, redo: depth - n })
        expect(room.take('redo', alice)).toBeUndefined()
        expect([...room.text].toSorted()).toEqual([...before].toSorted())
        expect(without(room.text, mine)).toBe(without(before, mine))
        expect([room.depth(bob), room.depth(mallory)]).toEqual(others)
      }),
      // All that she wrote is gone already: taking that back, and again, makes changes without any operation.
      { numRuns: 40, examples: Array.from({ length: 8 }, () => [[wrote, erased]]) },
    )
  })

  it('keeps what the others write in between, and undoes what was redone', () => {
    fc.assert(
      fc.property(
        fc.array(edit, { minLength: 1, maxLength: 15 }),
        fc.array(edit, { minLength: 1, maxLength: 8 }),
        (first, later) => {
          const room = new Room('text')
          for (const each of first) write(room, each)
          const { undo: depth } = room.depth(alice)
          if (depth === 0) return
          for (let n = 0; n < 3; n++) {
            room.take('undo', alice)
            for (const each of later) write(room, { ...each, who: 1 + (each.who % 2), remove: 0, isSynced: true })
            const mine = lettersOf[0] ?? ''
            const theirs = without(room.text, mine)
            const text = room.text
            expect(room.take('redo', alice)).toBeDefined()
            expect(room.take('undo', alice)).toBeDefined()
            expect(isWithin(theirs, room.text)).toBe(true)
            expect([...room.text].toSorted()).toEqual([...text].toSorted())
            room.take('redo', alice)
          }
          expect(room.depth(alice)).toEqual({ undo: depth, redo: 0 })
        },
      ),
      { numRuns: 25 },
    )
  })

  it('has nothing to redo any more once it writes again', () => {
    const room = new Room('text')
    write(room, { who: 0, at: 0, remove: 0, insert: 3, isSynced: true })
    room.take('undo', alice)
    write(room, { who: 1, at: 0, remove: 0, insert: 1, isSynced: true })
    expect(room.depth(alice)).toEqual({ undo: 0, redo: 1 })
    write(room, { who: 0, at: 0, remove: 0, insert: 1, isSynced: true })
    expect(room.depth(alice)).toEqual({ undo: 1, redo: 0 })
    expect(room.take('redo', alice)).toBeUndefined()
  })
})

describe('undo of named values', () => {
  const map = (root: Root): Record<string, unknown> => root.map as Record<string, unknown>
  const edited = (...edits: readonly [who: number, change: (root: Root) => void][]): Room => {
    const room = new Room('map')
    for (const [who, change] of edits) {
      room.sync(who)
      room.edit(who, change)
    }
    return room
  }

  it('brings back the value before, and leaves what others set since', () => {
    const room = edited(
      [1, (root) => Object.assign(map(root), { a: 1, when: new Date(5), bytes: Uint8Array.of(1, 2) })],
      [0, (root) => Object.assign(map(root), { a: 2, b: 3, when: 'never' })],
      [0, (root) => void delete map(root).bytes],
      [1, (root) => Object.assign(map(root), { b: 4 })],
    )
    room.take('undo', alice)
    expect(room.value.map).toEqual({ a: 2, b: 4, when: 'never', bytes: Uint8Array.of(1, 2) })
    room.take('undo', alice)
    expect(room.value.map).toEqual({ a: 1, b: 4, when: new Date(5), bytes: Uint8Array.of(1, 2) })
    room.take('redo', alice)
    expect(room.value.map).toEqual({ a: 2, b: 4, when: 'never', bytes: Uint8Array.of(1, 2) })
  })

  it('counts back', () => {
    const room = edited(
      [1, (root) => Object.assign(map(root), { n: new A.Counter(10) })],
      [0, (root) => (map(root).n as A.Counter).increment(5)],
      [1, (root) => (map(root).n as A.Counter).increment(100)],
    )
    room.take('undo', alice)
    expect(Number((room.value.map as { n: A.Counter }).n)).toBe(110)
    room.take('redo', alice)
    expect(Number((room.value.map as { n: A.Counter }).n)).toBe(115)
  })

  it('does not take away what others put into something that it made', () => {
    const room = edited(
      [0, (root) => Object.assign(map(root), { todo: { list: ['one'] }, gone: { x: [1, 'two'] } })],
      [1, (root) => (map(root).todo as { list: string[] }).list.push('theirs')],
    )
    room.take('undo', alice)
    expect(room.value.map).toMatchObject({ todo: { list: ['theirs'] } })
    expect(room.value.map).not.toHaveProperty('gone')
    room.take('redo', alice)
    expect(room.value.map).toMatchObject({ gone: { x: [1, 'two'] } })
    expect((room.value.map as { todo: { list: string[] } }).todo.list.toSorted()).toEqual(['one', 'theirs'])
  })

  it('brings items back to their place, and takes out only its own', () => {
    const room = edited(
      [1, (root) => Object.assign(map(root), { list: [1, 2, 3, 4] })],
      [0, (root) => void (map(root).list as number[]).splice(1, 2, 9)],
      [1, (root) => void (map(root).list as number[]).push(5)],
      [0, (root) => void (map(root).list as number[]).fill(7, 0, 1)],
    )
    expect((room.value.map as { list: number[] }).list).toEqual([7, 9, 4, 5])
    room.take('undo', alice)
    expect((room.value.map as { list: number[] }).list).toEqual([1, 9, 4, 5])
    room.take('undo', alice)
    expect((room.value.map as { list: number[] }).list).toEqual([1, 2, 3, 4, 5])
    room.take('redo', alice)
    expect((room.value.map as { list: number[] }).list).toEqual([1, 9, 4, 5])
  })
})
