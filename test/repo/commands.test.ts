import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { globalOptions } from '../../daemon/cli/global-options.ts'
import { commandTable } from '../../daemon/cli/index.ts'
import { commandLines, createWorld, localCommands, writeLog } from '../unit/daemon/cli/control-world.ts'

const names = commandTable.map((command) => command.name)
const byName = commandTable.map((command) => [command.name, command] as const)
const log = [{ level: 'info', time: '2025-01-01T00:00:00.000Z', sub: 'net', msg: 'listening' }]

/** Words of an example as a shell would see them; examples use no quotes but single ones. */
const wordsOf = (example: string): string[] =>
  [...example.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')

describe('the tree of commands', () => {
  it('has one working line for each command in these tests', () => {
    expect(Object.keys(commandLines).sort()).toEqual([...names].sort())
  })

  it('has names in one or two kebab-case words, each once, none of them also a group', () => {
    for (const name of names) expect(name).toMatch(/^[a-z-]+( [a-z-]+)?$/)
    expect(new Set(names).size).toBe(names.length)
    const groups = names.filter((name) => name.includes(' ')).map((name) => name.split(' ')[0])
    for (const group of groups) expect(names).not.toContain(group)
  })

  it('is listed by moor commands --json, with the schema of each answer', async () => {
    await using world = await createWorld({ isStarted: false })
    const ran = await world.moor(['commands', '--json'])
    const { data } = JSON.parse(ran.stdout)
    expect(data.commands.map((command: { name: string }) => command.name)).toEqual(names)
    for (const command of data.commands) expect(command.data).toMatchObject({ type: 'object' })
  })

  it('is in the help, with a suggestion for what is mistyped', async () => {
    await using world = await createWorld({ isStarted: false })
    const help = await world.moor(['--help'])
    expect(help.code).toBe(0)
    for (const name of names) expect(help.stdout).toContain(`  ${name.split(' ')[0]} `)
    const wrong = await world.moor(['statsu'])
    expect([wrong.code, wrong.stdout, wrong.stderr]).toEqual([2, '', expect.stringContaining('Did you mean status?')])
  })

  it('answers a bare call with the status on a terminal, and with usage and 2 without', async () => {
    await using world = await createWorld()
    const onTerminal = await world.moor([], { tty: true, env: { NO_COLOR: '1' } })
    expect(onTerminal).toMatchObject({ code: 0, stdout: expect.stringContaining('pid 4242') })
    expect(await world.moor([])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Usage: moor') })
  })

  it('colours only for a terminal that wants it', async () => {
    await using world = await createWorld({ isStarted: false })
    const coloured = async (tty: boolean, argv: string[], env: Record<string, string>) =>
      (await world.moor(argv, { tty, env })).stderr.includes('\u001b[')
    expect(await coloured(true, ['status'], {})).toBe(true)
    expect(await coloured(false, ['status'], {})).toBe(false)
    expect(await coloured(true, ['status', '--no-color'], {})).toBe(false)
    expect(await coloured(true, ['status'], { NO_COLOR: '1' })).toBe(false)
    expect(await coloured(true, ['status'], { TERM: 'dumb' })).toBe(false)
  })
})

describe.each(byName)('moor %s', (name, command) => {
  const argv = commandLines[name] ?? []

  it('has help with an example, its arguments and every option', async () => {
    await using world = await createWorld({ isStarted: false })
    const ran = await world.moor([...name.split(' '), '--help'])
    expect(ran.code).toBe(0)
    expect(command.examples.length).toBeGreaterThan(0)
    for (const example of command.examples) {
      expect(example).toContain(`moor ${name}`)
      expect(ran.stdout).toContain(example)
    }
    for (const argument of command.args) expect(ran.stdout).toContain(`<${argument.name}>`)
    for (const option of [...command.options, ...globalOptions]) expect(ran.stdout).toContain(`--${option.name}`)
  })

  it('understands its own examples', async () => {
    await using world = await createWorld()
    await writeLog(world.places, log)
    for (const example of command.examples) {
      const words = wordsOf(example.replace(/^source <\((.*)\)$/, '$1').replace(/ > .*$/, ''))
      const isEndless = words.includes('-f')
      const more = isEndless ? ['--timeout', '1ms'] : []
      const ran = await world.moor([...words.slice(1), ...more], { runDaemon: async () => 0 })
      // 4: asks a person. 7: expects a key that only the reader has. 124: was told to end.
      expect([0, 4, 7, 124], example).toContain(ran.code)
      expect(ran.stderr).not.toContain('error usage')
    }
  })

  it('answers --json in one envelope on each line, in the shape it declares, and with nothing else', async () => {
    await using world = await createWorld()
    await writeLog(world.places, log)
    const ran = await world.moor([...argv, '--json'])
    expect(ran.code).toBe(0)
    const lines = ran.stdout.split('\n')
    expect(lines.pop()).toBe('')
    expect(lines.length).toBeGreaterThan(0)
    if (command.isStream !== true) expect(lines).toHaveLength(1)
    for (const line of lines) {
      const envelope = JSON.parse(line)
      expect(Object.keys(envelope)).toEqual(['v', 'kind', 'data'])
      expect([envelope.v, envelope.kind]).toEqual([1, name])
      expect(command.data.safeParse(envelope.data)).toMatchObject({ success: true })
    }
  })

  it('answers --quiet with the answer only', async () => {
    await using world = await createWorld()
    await writeLog(world.places, log)
    const ran = await world.moor([...argv, '--quiet'])
    expect(ran.stdout).not.toBe('')
    // What a person has to see before deciding is shown all the same.
    if (name !== 'approve') expect(ran.stderr).toBe('')
  })

  it('refuses a flag and an argument that it does not have, with 2 and the next command', async () => {
    await using world = await createWorld()
    for (const extra of ['--no-such-flag', 'one-too-many']) {
      const ran = await world.moor([...argv, extra, '--json'])
      expect(ran.code).toBe(2)
      expect(ran.stderr).toContain(`next: moor help ${name}`)
      const failure = { v: 1, kind: 'error', data: { code: 'usage', next: `moor help ${name}` } }
      expect(JSON.parse(ran.stdout)).toMatchObject(failure)
    }
    if (command.args.length > 0) expect((await world.moor(name.split(' '))).code).toBe(2)
    expect(world.calls).toEqual([])
  })

  it('works without a daemon, or ends with 3 and says how to start one', async () => {
    await using world = await createWorld({ isStarted: false })
    await writeLog(world.places, log)
    const isWaiting = name === 'wait'
    const ran = await world.moor([...argv, '--json', ...(isWaiting ? ['--timeout', '1ms'] : [])], {
      launch: () => world.server.start(),
    })
    if (localCommands.includes(name) || name === 'up' || name === 'down') expect(ran.code).toBe(0)
    else if (isWaiting) expect(ran.code).toBe(124)
    else {
      expect(ran.code).toBe(3)
      const failure = { kind: 'error', data: { code: 'daemon-unreachable', next: 'moor up' } }
      expect(JSON.parse(ran.stdout)).toMatchObject(failure)
    }
  })
})

describe('Ctrl-C', () => {
  it.each(names.filter((name) => !localCommands.includes(name)))('ends moor %s with 130', async (name) => {
    await using world = await createWorld()
    const ran = await world.moor(commandLines[name] ?? [], { signal: AbortSignal.abort() })
    expect(ran.code).toBe(130)
    expect(world.calls).toEqual([])
  })
})

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('for %s has every command and every option', async (shell) => {
    await using world = await createWorld({ isStarted: false })
    const { stdout } = await world.moor(['completion', shell])
    for (const name of names) for (const word of name.split(' ')) expect(stdout).toMatch(new RegExp(`\\b${word}\\b`))
    for (const { name, options } of commandTable) {
      for (const option of [...options, ...globalOptions]) {
        expect(stdout, name).toContain(shell === 'fish' ? `-l ${option.name} ` : `--${option.name}`)
      }
    }
  })

  it.skipIf(spawnSync('bash', ['--version']).status !== 0)('works in bash', async () => {
    await using world = await createWorld({ isStarted: false })
    const { stdout } = await world.moor(['completion', 'bash'])
    const complete = (...words: string[]): string[] => {
      const list = words.map((word) => `'${word}'`).join(' ')
      const call = `COMP_WORDS=(moor ${list}); COMP_CWORD=${words.length}; _moor`
      const script = `${stdout}\n${call}; printf '%s\\n' "\${COMPREPLY[@]}"`
      const ran = spawnSync('bash', ['--norc', '-c', script], { encoding: 'utf8' })
      expect(ran.stderr).toBe('')
      return ran.stdout.trim().split('\n')
    }
    expect(complete('app')).toEqual(['approve'])
    expect(complete('block')).toEqual(['blocks', 'block'])
    expect(complete('block', '')).toEqual(['show', 'watch'])
    expect(complete('approve', '7f3k', '--ex')).toEqual(['--expect-key'])
    expect(complete('blocks', '--js')).toEqual(['--json'])
  })
})
