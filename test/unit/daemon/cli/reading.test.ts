import { appendFile, rename, truncate, writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { LogFile } from '../../../../daemon/cli/log-file.ts'
import { keyOf } from '../../../../daemon/cli/sanitize.ts'
import { type BlockAddress, type ChangeHash, fingerprintWords } from '../../../../protocol/index.ts'
import { answers, createWorld, peerA, peerB, writeLog } from './control-world.ts'

const at = '2025-01-01T00:00:00.000Z'
const line = (msg: string, more: object = {}) => ({ level: 'info', time: at, sub: 'net', msg, ...more })

describe('moor logs', () => {
  it('shows the last lines, with the key of a plugin, and what is no log line as it is', async () => {
    await using world = await createWorld({ isStarted: false })
    await writeLog(world.places, [
      line('first'),
      line('second', { level: 'warn', port: 4410 }),
      line('hello', { sub: 'plugin', plugin: 'weather', peer: peerB }),
      'Error: out of memory',
    ])
    const ran = await world.moor(['logs', '-n', '3'])
    expect(ran.stdout).toBe(
      [
        `${at}  warn   net  second  port=4410`,
        `${at}  info   weather (${keyOf(peerB)})  hello`,
        'Error: out of memory',
        '',
      ].join('\n'),
    )
  })

  it('filters by level and by plugin', async () => {
    await using world = await createWorld({ isStarted: false })
    await writeLog(world.places, [
      line('one'),
      line('two', { level: 'error' }),
      line('three', { plugin: 'weather', peer: peerB }),
    ])
    expect((await world.moor(['logs', '--level', 'warn'])).stdout).toMatch(/^[^\n]*two\n$/)
    for (const who of ['weather', peerB])
      expect((await world.moor(['logs', '--plugin', who])).stdout).toMatch(/^[^\n]*three\n$/)
    expect((await world.moor(['logs', '--level', 'loud'])).code).toBe(2)
    expect((await world.moor(['logs', '-n', '-1'])).code).toBe(2)
  })

  it('shows who a line of the daemon is about, with the key', async () => {
    await using world = await createWorld({ isStarted: false })
    await writeLog(world.places, [
      line('a plugin connected', { name: 'weather', peer: peerB }),
      line('a stream ended', { peer: peerB }),
    ])
    expect((await world.moor(['logs'])).stdout).toBe(
      [
        `${at}  info   net  a plugin connected  weather (${keyOf(peerB)})`,
        `${at}  info   net  a stream ended  ${keyOf(peerB)}`,
        '',
      ].join('\n'),
    )
  })

  it('shows an error with a code as its sentence, and any other with its place', async () => {
    await using world = await createWorld({ isStarted: false })
    const stack = 'Error: broken\n    at work (file.ts:1:2)\n    at more (file.ts:3:4)'
    await writeLog(world.places, [
      line('one', { err: { code: 'storage-full', message: 'The disk is full.', stack } }),
      line('two', { err: { message: 'broken', stack } }),
      line('three', { err: 'a text' }),
    ])
    const { stdout } = await world.moor(['logs'])
    expect(stdout.split('\n').map((text) => text.split('  err=')[1])).toEqual([
      'The disk is full.',
      'broken at work (file.ts:1:2)',
      'a text',
      undefined,
    ])
  })

  it('finds what is about a plugin by name, id and words, also where only its key is named', async () => {
    await using world = await createWorld({ isStarted: false })
    await writeLog(world.places, [
      line('one', { name: 'weather', peer: peerB }),
      line('two', { plugin: 'weather', peer: peerB }),
      line('three', { peer: peerB }),
      line('four', { name: 'other', peer: peerA }),
      line('five', { name: 'other', peer: peerB }),
      line('six'),
    ])
    for (const who of ['weather', peerB, fingerprintWords(peerB)]) {
      const { stdout, stderr } = await world.moor(['logs', '--plugin', who, '--json'])
      const texts = stdout
        .trimEnd()
        .split('\n')
        .map((text) => JSON.parse(text).data.text)
      expect([texts, stderr], who).toEqual([['one', 'two', 'three', 'five'], ''])
    }
  })

  it('says when no line is about the plugin, and which one may be meant', async () => {
    await using world = await createWorld({ isStarted: false })
    await writeLog(world.places, [line('one', { name: 'weather', peer: peerB })])
    expect(await world.moor(['logs', '--plugin', 'wether'])).toEqual({
      code: 0,
      stdout: '',
      stderr: 'no line of the log is about wether; did you mean weather?\n',
    })
    expect((await world.moor(['logs', '--plugin', 'weather', '--level', 'error'])).stderr).toBe('')
  })

  it('says that there is no log yet', async () => {
    await using world = await createWorld({ isStarted: false })
    expect(await world.moor(['logs'])).toMatchObject({ code: 3, stderr: expect.stringContaining('next: moor up') })
  })

  it('gives out what is added, after a cut and after a rotation too', async () => {
    await using world = await createWorld({ isStarted: false })
    const path = world.places.logFile
    await writeFile(path, 'one\ntw')
    const file = new LogFile(path)
    const added = async (): Promise<string[]> => {
      const lines: string[] = []
      for await (const text of file.added()) lines.push(text)
      return lines
    }
    const first: string[] = []
    for await (const text of file.tail()) first.push(text)
    expect(first).toEqual(['one'])
    await appendFile(path, 'o\nthré')
    expect(await added()).toEqual(['two'])
    await appendFile(path, 'e\n')
    expect(await added()).toEqual(['thrée'])
    await truncate(path)
    await appendFile(path, '4\n')
    expect(await added()).toEqual(['4'])
    await rename(path, `${path}.1`)
    expect(await added()).toEqual([])
    await writeFile(path, 'five\n')
    await appendFile(`${path}.1`, 'late\n')
    expect(await added()).toEqual(['late', 'five'])
    await file.close()
  })

  it('bounds a line without an end', async () => {
    await using world = await createWorld({ isStarted: false })
    await writeFile(world.places.logFile, 'x'.repeat(1_000_000))
    const ran = await world.moor(['logs'])
    expect(ran.code).toBe(0)
    expect(ran.stdout.length).toBeLessThan(5 * 4_100)
  })
})

describe('moor blocks', () => {
  it('reads all pages', async () => {
    await using world = await createWorld()
    const [block] = answers().blocks
    if (block === undefined) throw new Error('no block')
    world.answers.blocks = Array.from({ length: 450 }, (_, i) => ({
      ...block,
      address: `space:home/n${String(i).padStart(3, '0')}` as BlockAddress,
    }))
    const ran = await world.moor(['blocks', '--json'])
    expect(JSON.parse(ran.stdout).data.blocks).toHaveLength(450)
  })

  it('does not ask for ever when the list goes nowhere', async () => {
    await using world = await createWorld({
      handlers: { 'block.list': () => ({ blocks: answers().blocks, more: true }) },
    })
    expect((await world.moor(['blocks'])).stderr).toContain('error malformed')
  })
})

describe('moor block show', () => {
  it('joins the pages of a long text', async () => {
    await using world = await createWorld()
    const text = 'all work and no play\n'.repeat(7_000)
    world.answers.block = { ...world.answers.block, text, totalChars: text.length }
    const ran = await world.moor(['block', 'show', 'space:home/notes', '--json'])
    expect(JSON.parse(ran.stdout).data.text).toBe(text)
  })

  it('reads again when the block changes between two pages, and gives up when it always does', async () => {
    const text = 'x'.repeat(60_000)
    let reads = 0
    let changesUntil = 2
    const show = ({ offset }: { offset: number }) => ({
      ...answers().block,
      heads: [String(Math.min(++reads, changesUntil) % 10).repeat(64) as ChangeHash],
      text: text.slice(offset, offset + 50_000),
      totalChars: text.length,
    })
    await using world = await createWorld({ handlers: { 'block.show': show } })
    expect((await world.moor(['block', 'show', 'space:home/notes'])).stdout.trimEnd()).toBe(text)
    changesUntil = Number.POSITIVE_INFINITY
    expect((await world.moor(['block', 'show', 'space:home/notes'])).code).toBe(6)
  })

  it('says where the content is not what its schema says, beside all of it', async () => {
    await using world = await createWorld()
    const problems = [{ path: 'map.due', problem: 'is a text and not a timestamp' }]
    world.answers.block = { ...world.answers.block, problems }
    const ran = await world.moor(['block', 'show', 'space:home/notes'])
    expect(ran.stdout).toContain(world.answers.block.text.trim())
    expect(ran.stderr).toContain('not as its schema says: map.due is a text and not a timestamp')
    const data = JSON.parse((await world.moor(['block', 'show', 'space:home/notes', '--json'])).stdout).data
    expect(data.problems).toEqual(problems)
  })

  it('refuses what is no address before it connects', async () => {
    await using world = await createWorld({ isStarted: false })
    expect((await world.moor(['block', 'show', '../../etc/passwd'])).code).toBe(2)
  })
})
