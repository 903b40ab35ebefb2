/** One block in memory: what may become history, and what is left when something must not. */
import { randomBytes } from 'node:crypto'
import * as A from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import { Block } from '../../../../plugin-sdk/memory/block.ts'
import { Counter, splice } from '../../../../plugin-sdk/memory/index.ts'
import type { LocalChange } from '../../../../plugin-sdk/memory/local-change.ts'
import {
  type BlockAddress,
  limits,
  type SchemaName,
  type SchemaValues,
  schemaNamed,
} from '../../../../protocol/index.ts'
import { ownsActor, readChange } from '../../../../protocol/sync/index.ts'
import { alice, daemonPerson } from '../../../fixtures/cast.ts'
import { ManualClock } from '../../../fixtures/clock.ts'

function open<Name extends SchemaName>(schema: Name) {
  const clock = new ManualClock()
  let told = 0
  let minted = 0
  const poison: string[] = []
  const local: LocalChange[] = []
  const block = new Block({
    address: 'space:home/notes' as BlockAddress,
    schema,
    daemon: daemonPerson.peer,
    self: alice.peer,
    clock,
    random: (bytes) => {
      minted++
      return new Uint8Array(randomBytes(bytes))
    },
    onLocal: (change) => local.push(change),
    onStray: () => {},
    onRemote: () => {
      told++
    },
    onPoison: (hashes) => poison.push(...hashes),
    onBroken: (error) => {
      throw error
    },
  })
  /** Each document that is made has an actor of its own. */
  return { block, clock, local, poison, told: () => told, documents: () => minted }
}

/** Changes a block, and answers what was told of it. */
function change<Name extends SchemaName>(
  { block, local }: { block: Block<Name>; local: readonly LocalChange[] },
  edit: (draft: SchemaValues[Name]) => void,
): LocalChange {
  expect(block.change(edit)).toBe(true)
  block.tell()
  const made = local.at(-1)
  if (made === undefined) throw new Error('no change was made')
  return made
}

describe('a local change', () => {
  it('is made under an actor of this key, with the facts that sending it needs', () => {
    const opened = open('text')
    const made = change(opened, (draft) => splice(draft, ['text'], 0, 0, 'ab'))
    expect(made).toMatchObject({ number: 1, seq: 1, ops: 2 })
    expect(ownsActor(daemonPerson.peer, alice.peer, made.actor)).toBe(true)
    expect(opened.block.unsettled).toEqual([made])
  })

  it('is told at the end of the turn when it was typed, with all that was, and before anything else happens', async () => {
    const { block, local } = open('text')
    for (const letter of 'abc') block.change((draft) => splice(draft, ['text'], 0, 0, letter))
    expect(local).toEqual([])
    expect(block.value.text).toBe('cba')
    await Promise.resolve()
    expect(local.map(({ seq, number }) => [seq, number])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ])
    expect(block.unsettled).toEqual(local)
    block.change((draft) => splice(draft, ['text'], 0, 0, 'd'))
    const [first] = A.getAllChanges(
      A.change(A.load<{ text: string }>(schemaNamed('text').initial.bytes), (draft) =>
        A.splice(draft, ['text'], 0, 0, 'e'),
      ),
    ).slice(1)
    if (first === undefined) throw new Error('nothing was made')
    block.arrive([{ bytes: first, hash: readChange(first).hash }])
    expect([...block.value.text].sort().join('')).toBe('abcde')
    expect(local.map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
    await Promise.resolve()
    expect(local).toHaveLength(4)
  })

  it('is told at once when it is more than typing', () => {
    const { block, local } = open('map')
    block.change(({ map }) => {
      map.one = 1
    })
    expect(local).toHaveLength(1)
  })

  it('is none when the edit changes nothing', () => {
    const { block } = open('text')
    expect(block.change(() => {})).toBe(false)
    block.change((draft) => splice(draft, ['text'], 0, 0, 'a'))
    expect(block.change(() => {})).toBe(false)
    expect(block.unsettled).toHaveLength(1)
  })

  it.each(['00', 'ff'])('counts up the counter that is shown, beside another one by actor %s', (digit) => {
    const { block } = open('map')
    block.change(({ map }) => {
      map.count = new Counter(1)
    })
    const initial = schemaNamed('map').initial.bytes
    const other = A.load<{ map: Record<string, unknown> }>(initial, { actor: digit.repeat(24) })
    const made = A.change(other, ({ map }) => {
      map.count = new Counter(10)
    })
    const changes = A.getAllChanges(made).slice(1)
    block.arrive(changes.map((bytes) => ({ bytes, hash: readChange(bytes).hash })))
    for (let times = 0; times < 2; times++) {
      expect(block.value.map.count).toBeInstanceOf(Counter)
      block.change(({ map }) => {
        if (map.count instanceof Counter) map.count.increment(3)
      })
      const { map } = A.load<{ map: Record<string, unknown> }>(A.save(block.value))
      expect(String(block.value.map.count)).toBe(String(map.count))
    }
    expect(block.unsettled.map(({ seq }) => seq)).toEqual([1, 2, 3])
  })

  it('is rolled back above the cap of operations, and the next one is taken', () => {
    const { block } = open('text')
    const paste = 'x'.repeat(limits.maxOpsPerFrame + 1)
    expect(() => block.change((draft) => splice(draft, ['text'], 0, 0, paste))).toThrow(/20000 operations/)
    expect(block.value.text).toBe('')
    block.change((draft) => splice(draft, ['text'], 0, 0, 'small'))
    expect(block.value.text).toBe('small')
    expect(block.unsettled).toHaveLength(1)
  })

  it('is taken back above the cap of bytes, under a fresh actor, and the next one is taken', () => {
    const opened = open('map')
    const { block } = opened
    const first = change(opened, (draft) => {
      draft.map.kept = 1
    })
    expect(() =>
      block.change((draft) => {
        draft.map.big = new Uint8Array(randomBytes(limits.maxChangeBytes + 1))
      }),
    ).toThrow(expect.objectContaining({ code: 'change-too-large' }))
    expect(A.toJS(block.value)).toEqual({ map: { kept: 1 } })
    const next = change(opened, (draft) => {
      draft.map.more = 2
    })
    expect(A.toJS(block.value)).toEqual({ map: { kept: 1, more: 2 } })
    expect(next.actor).not.toBe(first.actor)
    expect(next.seq).toBe(1)
  })
})

describe('what arrives', () => {
  const other = (...texts: string[]): Uint8Array[] => {
    let doc = A.load<{ text: string }>(schemaNamed('text').initial.bytes)
    for (const text of texts) doc = A.change(doc, (draft) => A.splice(draft, ['text'], draft.text.length, 0, text))
    return A.getAllChanges(doc).slice(1)
  }

  it('is applied in one batch, once, when the turn ends or the value is read', async () => {
    const { block, clock, told } = open('text')
    for (const bytes of other('a', 'b', 'c')) block.arrive([{ bytes, hash: readChange(bytes).hash }])
    expect(told()).toBe(0)
    await clock.advance(0)
    expect(told()).toBe(1)
    expect(block.value.text).toBe('abc')
    expect(told()).toBe(1)
  })

  it('is applied with the rest that is known to come, and without it after a while', async () => {
    const { block, clock, told } = open('text')
    const arrive = (bytes: Uint8Array, isPart: boolean) =>
      block.arrive([{ bytes, hash: readChange(bytes).hash }], isPart)
    expect(block.value.text).toBe('')
    const [a, b, c, d] = other('a', 'b', 'c', 'd') as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    arrive(a, true)
    await clock.advance(50)
    arrive(b, true)
    expect(told()).toBe(0)
    arrive(c, false)
    await clock.advance(0)
    expect(told()).toBe(1)
    arrive(d, true)
    await clock.advance(150)
    expect(told()).toBe(1)
    await clock.advance(50)
    expect(told()).toBe(2)
    expect(block.value.text).toBe('abcd')
  })

  it('waits for the end of an edit that looks at the block', () => {
    const { block } = open('text')
    block.change((draft) => splice(draft, ['text'], 0, 0, 'mine '))
    for (const bytes of other('theirs ')) block.arrive([{ bytes, hash: readChange(bytes).hash }])
    const seen: string[] = []
    block.change((draft) => {
      splice(draft, ['text'], 0, 0, 'more ')
      seen.push(block.value.text)
      expect(block.unsettled.length).toBeLessThanOrEqual(1)
      splice(draft, ['text'], 0, 0, 'and ')
    })
    expect(seen).toEqual(['mine '])
    // What was typed last is in front; which of the other two comes first is a matter of their actors.
    expect(['and more mine theirs ', 'and more theirs mine ']).toContain(block.value.text)
    expect(block.unsettled).toHaveLength(2)
  })

  it('costs no document before somebody looks, and then one', async () => {
    const { block, clock, told, documents } = open('text')
    block.restore(A.save(A.load(schemaNamed('text').initial.bytes)))
    for (const bytes of other('a', 'b', 'c')) {
      block.arrive([{ bytes, hash: readChange(bytes).hash }])
      await clock.advance(0)
    }
    expect(told()).toBe(4)
    expect(documents()).toBe(0)
    expect(block.value.text).toBe('abc')
    expect(documents()).toBe(1)
  })

  it('is applied although nobody looks, once it is much', async () => {
    const { block, clock, documents } = open('text')
    const changes = other(...Array.from({ length: 2_100 }, () => 'a'))
    block.arrive(changes.map((bytes) => ({ bytes, hash: readChange(bytes).hash })))
    await clock.advance(0)
    expect(documents()).toBe(1)
  })

  it('meets what was made here meanwhile, on a snapshot too', () => {
    const { block } = open('text')
    block.change((draft) => splice(draft, ['text'], 0, 0, 'mine '))
    const doc = A.load<{ text: string }>(schemaNamed('text').initial.bytes)
    const theirs = A.change(doc, (draft) => A.splice(draft, ['text'], 0, 0, 'theirs '))
    block.restore(A.save(theirs))
    expect(['mine theirs ', 'theirs mine ']).toContain(block.value.text)
    expect(block.unsettled).toHaveLength(1)
  })
})

describe('what the daemon refuses for good', () => {
  it('leaves the document together with everything made after it', () => {
    const opened = open('text')
    const { block } = opened
    const first = change(opened, (draft) => splice(draft, ['text'], 0, 0, 'a'))
    block.settle(new Set([first.hash]))
    const second = change(opened, (draft) => splice(draft, ['text'], 1, 0, 'b'))
    const third = change(opened, (draft) => splice(draft, ['text'], 2, 0, 'c'))
    expect(block.setAside(second)).toEqual([second, third])
    expect(block.value.text).toBe('a')
    expect(block.unsettled).toEqual([])
    const next = change(opened, (draft) => splice(draft, ['text'], 1, 0, 'd'))
    expect(next.actor).not.toBe(second.actor)
    expect(block.value.text).toBe('ad')
  })
})
