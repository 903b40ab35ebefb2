/** Search over the real log, views and archive: who finds what, and when. */
import { describe, expect, it, vi } from 'vitest'
import { limits } from '../../protocol/index.ts'
import { alice, bob, mallory } from '../fixtures/cast.ts'
import { SearchWorld } from '../fixtures/search-world.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

describe('search', () => {
  it('finds what the caller has just been told is durable, in blocks and in the archive, and marks it', async () => {
    const world = await SearchWorld.open()
    await world.write(alice, notes, 'the kettle is blue')
    const { id } = await world.insert(alice, 'a kettle that was red')
    const { hits } = await world.settle(world.ask(alice, 'kettle'))
    expect(hits.map((hit) => hit.kind).sort()).toEqual(['archive', 'block'])
    for (const { snippet, marks, score, scope } of hits) {
      expect(marks.map(({ from, to }) => snippet.slice(from, to))).toEqual(['kettle'])
      expect([score > 0, scope]).toEqual([true, 'space:home'])
    }
    expect(await world.settle(world.find(alice, 'kettle -red'))).toEqual([notes])
    expect(await world.settle(world.find(alice, 'kettle -blue'))).toEqual([id])
    expect(await world.settle(world.find(alice, 'kettle', { kinds: ['archive'] }))).toEqual([id])
    await world.write(alice, notes, 'nothing of that kind')
    await world.remove(alice, id)
    expect(await world.settle(world.find(alice, 'kettle'))).toEqual([])
    expect(await world.settle(world.find(alice, 'kind'))).toEqual([notes])
  })

  it('neither finds nor counts what the caller may not read, whatever the query says', async () => {
    const world = await SearchWorld.open()
    await world.write(alice, notes, 'kettle public')
    await world.write(alice, 'space:home/secret', 'kettle confidential')
    await world.insert(alice, 'kettle archived')
    expect((await world.settle(world.find(alice, 'kettle'))).length).toBe(3)
    const { sync } = world.verified
    const asMallory = async (...grants: string[]) => {
      await sync.approve(mallory, ...grants)
      const answer = await world.settle(world.ask(mallory, 'kettle', { limit: 1 }))
      expect(JSON.stringify(answer)).not.toContain('confidential')
      const rest = answer.cursor === undefined ? [] : await world.settle(world.find(mallory, 'kettle', answer))
      return answer.hits.length + rest.length
    }
    expect(await asMallory('blocks:read:space:other/*')).toBe(0)
    expect(await asMallory('blocks:read:agent:home/*')).toBe(0)
    expect(await asMallory('blocks:write:space:home/*')).toBe(0)
    // One block alone: no other, no entry, and no page that would tell of them.
    expect(await asMallory(`blocks:read:${notes}`)).toBe(1)
    expect(await asMallory('blocks:read:space:home/*', '!blocks:read:space:home/secret')).toBe(2)
    expect(await asMallory('blocks:read:space:*/*', '!blocks:read:space:home/secret')).toBe(2)
    const secret = await world.settle(world.ask(mallory, 'confidential'))
    expect(secret).toEqual({ hits: [] })
    const scopes = ['space:home'] as never
    await sync.approve(mallory, 'blocks:read:space:other/*')
    expect(await world.settle(world.ask(mallory, 'kettle', { scopes }))).toEqual({ hits: [] })
  })

  it('goes through all hits page by page, each once, best first', async () => {
    const world = await SearchWorld.open()
    const ids = []
    for (let n = 0; n < 25; n++) ids.push((await world.insert(alice, `kettle ${'blue '.repeat(n % 5)}`)).id)
    const seen: string[] = []
    const scores: number[] = []
    let cursor: string | undefined
    do {
      const answer = await world.settle(
        world.ask(alice, 'kettle', { limit: 4, ...(cursor === undefined ? {} : { cursor }) }),
      )
      for (const hit of answer.hits) {
        seen.push(hit.kind === 'archive' ? hit.id : hit.address)
        scores.push(hit.score)
      }
      cursor = answer.cursor
    } while (cursor !== undefined)
    expect(seen).toHaveLength(25)
    expect([...seen].sort()).toEqual([...ids].sort())
    expect([...scores].sort((a, b) => b - a)).toEqual(scores)
    await expect(world.settle(world.ask(alice, 'kettle', { cursor: 'none' }))).rejects.toMatchObject({
      code: 'invalid-input',
    })
  })

  it('says index-behind when the index does not get there in two seconds, and answers once it has', async () => {
    const world = await SearchWorld.open()
    await world.write(alice, notes, 'first')
    expect(await world.settle(world.find(alice, 'first'))).toEqual([notes])
    let release: () => void = () => {}
    const views = world.verified.views
    const render = views.render.bind(views)
    views.render = async (...args) => {
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return render(...args)
    }
    await world.write(alice, notes, 'second')
    const asked = expect(world.ask(alice, 'second')).rejects.toMatchObject({ code: 'index-behind', retryable: true })
    await world.clock.advance(1_999)
    await world.clock.advance(1)
    await asked
    // Who wrote nothing does not wait for it.
    await world.verified.sync.approve(bob, ...everything)
    expect(await world.settle(world.find(bob, 'first'))).toEqual([notes])
    views.render = render
    release()
    expect(await world.settle(world.find(alice, 'second'))).toEqual([notes])
  })

  it('waits while somebody writes, twenty seconds at most, unless it is asked', async () => {
    const world = await SearchWorld.open()
    const { views } = world.verified
    // Whatever the machine takes to open the index: from here on only the clock of the test counts.
    expect(await world.settle(world.find(alice, 'word'))).toEqual([])
    const rendered = vi.spyOn(views, 'render')
    await world.write(alice, notes, 'word 0')
    for (let n = 1; n < 19; n++) {
      await world.clock.advance(1_000)
      await world.write(alice, notes, `word ${n}`)
    }
    expect(rendered).not.toHaveBeenCalled()
    await world.clock.advance(2_000)
    await vi.waitFor(() => expect(rendered).toHaveBeenCalledTimes(1))
  })

  it('has nothing of what was set aside, and all of it again once that is released', async () => {
    const world = await SearchWorld.open()
    const { sync, views } = world.verified
    await world.write(alice, notes, 'harmless kettle')
    expect(await world.settle(world.find(alice, 'kettle'))).toEqual([notes])
    const row = world.verified.row(notes)
    const { rows } = await sync.storage.readLog({ block: row.id, after: 0, until: row.visibleSeq, maxBytes: 1e6 })
    const last = rows.at(-1)
    if (last === undefined) throw new Error('nothing was written')
    const { hash, seq, actor, actorSeq } = last
    await sync.log.setAside(row.id, [
      { hash, seq, actor, actorSeq, peer: alice.peer, cause: undefined, reason: 'it fails' },
    ])
    views.forget(row.id)
    const soonFound = (expected: string[]) =>
      vi.waitFor(
        async () => {
          await world.clock.advance(100_000)
          expect(await world.settle(world.find(alice, 'kettle'))).toEqual(expected)
        },
        { timeout: 10_000, interval: 5 },
      )
    await soonFound([])
    await sync.log.release(row.id, hash)
    await soonFound([notes])
  })

  it('is bounded for who asks too much', async () => {
    const world = await SearchWorld.open()
    await world.insert(alice, `kettle ${'x'.repeat(limits.maxArchiveChars - 10)}`)
    for (const text of ['', 'w '.repeat(10_000), '"open', '-kettle', 'a\0b', 'x'.repeat(limits.maxQueryChars + 1)]) {
      await expect(world.ask(alice, text)).rejects.toMatchObject({ code: 'query-invalid' })
    }
    const { hits } = await world.settle(world.ask(alice, 'kettle'))
    expect(hits).toHaveLength(1)
    expect(hits[0]?.snippet.length).toBeLessThanOrEqual(400)
  })

  it('begins anew when the file is damaged, and when it is of another store', async () => {
    const world = await SearchWorld.open()
    await world.write(alice, notes, 'the kettle is blue')
    await world.insert(alice, 'kettle archived')
    expect(await world.settle(world.find(alice, 'kettle'))).toHaveLength(2)
    const copy = world.copy()
    const other = await SearchWorld.open()
    await other.write(alice, 'space:home/other', 'a pot')
    await other.restart(copy)
    expect(await other.settle(other.find(alice, 'kettle'))).toEqual([])
    expect(await other.settle(other.find(alice, 'pot'))).toEqual(['space:home/other'])
    const { writeFileSync } = await import('node:fs')
    writeFileSync(copy, 'not a database')
    writeFileSync(`${copy}-wal`, '')
    await world.restart(copy)
    expect(await world.settle(world.find(alice, 'kettle'))).toHaveLength(2)
  })

  it('is made anew by the operator, and complete when that is answered', async () => {
    const world = await SearchWorld.open()
    await world.write(alice, notes, 'the kettle is blue')
    await world.insert(alice, 'kettle archived')
    expect(await world.settle(world.find(alice, 'kettle'))).toHaveLength(2)
    await world.index.clear()
    expect(await world.settle(world.find(bob, 'kettle'))).toEqual([])
    const { signal } = new AbortController()
    const done = world.search.rebuild(signal)
    expect(await world.settle(done)).toEqual({ blocks: 1, entries: 1 })
    expect(await world.settle(world.find(alice, 'kettle'))).toHaveLength(2)
  })
})
