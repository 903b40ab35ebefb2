import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { globalOptions } from '../../daemon/cli/global-options.ts'
import { commandGroups } from '../../daemon/cli/groups.ts'
import { commandTable } from '../../daemon/cli/index.ts'
import { logLevels } from '../../daemon/cli/log-line.ts'
import { errorCodes, MooringError } from '../../protocol/index.ts'
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
    expect(wrong.stderr).toMatch(/^error usage: unknown command/)
  })

  it('has a summary for each group, and its help for who mistypes a command of it', async () => {
    await using world = await createWorld({ isStarted: false })
    const groups = new Set(names.filter((name) => name.includes(' ')).map((name) => name.split(' ')[0] ?? ''))
    expect(Object.keys(commandGroups).sort()).toEqual([...groups].sort())
    const { stdout } = await world.moor(['help'])
    for (const [group, summary] of Object.entries(commandGroups)) {
      expect(stdout).toMatch(new RegExp(`^  ${group} +${summary}$`, 'm'))
      const wrong = await world.moor([group, 'frobnicate'])
      expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining(`next: moor help ${group}\n`)])
      expect((await world.moor(['help', group])).stdout).toContain(`${summary}.`)
    }
  })

  it('explains the global options once, and gives examples that look like real ones', async () => {
    await using world = await createWorld({ isStarted: false })
    const { stdout } = await world.moor(['help'])
    for (const { name, summary } of globalOptions) {
      expect(stdout).toContain(`--${name}`)
      expect(stdout.replace(/\s+/g, ' ')).toContain(summary)
    }
    const examples = [...commandTable.flatMap((command) => command.examples), ...stdout.split('\n')]
    const codes = examples.flatMap((line) => /moor (?:approve|deny) (\S+)/.exec(line)?.[1] ?? [])
    expect(codes.length).toBeGreaterThan(3)
    for (const code of codes) expect(code).toMatch(/^[2-9A-HJ-NP-Z]{6}$/)
  })

  it('refuses help about a command that does not exist, with 2 and the nearest one', async () => {
    await using world = await createWorld({ isStarted: false })
    for (const [words, next] of [
      [['frobnicate'], 'moor help'],
      [['aprove'], 'moor help approve'],
      [['block', 'shwo'], 'moor help block show'],
    ] as const) {
      const ran = await world.moor(['help', ...words])
      expect(ran).toMatchObject({ code: 2, stdout: '' })
      expect(ran.stderr).toMatch(/^error usage: .*there is no command/)
      expect(ran.stderr).toContain(`next: ${next}\n`)
    }
  })

  it('names no stand-in for a command that is at hand', async () => {
    await using world = await createWorld()
    const lines = [
      ['status', '--timeout', 'soon'],
      ['invite', '--grant', 'ports:provide', '--expires', '5'],
    ]
    for (const argv of lines) expect((await world.moor(argv)).stderr).toContain(`next: moor help ${argv[0]}\n`)
    world.answers.requests = world.answers.requests.map((card) => ({ ...card, digest: 'e'.repeat(64) }))
    await using refusing = await createWorld({
      handlers: {
        'request.approve': () => {
          throw new MooringError('name-taken')
        },
      },
    })
    const taken = await refusing.moor(['approve', 'K7WQ2M', '--yes'])
    expect(taken.stderr).toContain('next: moor approve K7WQ2M --name OTHER\n')
  })

  it.each(['-V', '--version'])('prints the version for %s, in JSON too, and asks no daemon', async (flag) => {
    await using world = await createWorld()
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(await world.moor([flag])).toEqual({ code: 0, stdout: `mooring ${version}\n`, stderr: '' })
    const { stdout } = await world.moor([flag, '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ v: 1, kind: 'version', data: { version, daemon: null } })
  })

  it('puts npx before each command that a person is told to type, never before those for a machine', async () => {
    await using world = await createWorld({ isStarted: false })
    const call = 'npx moor'
    expect((await world.moor(['status'], { call })).stderr).toContain('next: npx moor up\n')
    expect((await world.moor(['statsu'], { call })).stderr).toContain('next: npx moor help\n')
    expect((await world.moor(['help', 'approve'], { call })).stdout).toContain('  npx moor approve K7WQ2M\n')
    expect((await world.moor(['approve', '--help'], { call })).stdout).toContain('Usage: npx moor approve [options]')
    expect((await world.moor(['explain', 'daemon-unreachable'], { call })).stdout).toMatch(/next +npx moor up\n/)
    expect(JSON.parse((await world.moor(['status', '--json'], { call })).stdout).data.next).toBe('moor up')
    await world.server.start()
    const approved = await world.moor(['approve', 'K7WQ2M', '--yes'], { call })
    expect(approved.stderr).toContain('undo: npx moor revoke weather\n')
    expect((await world.moor(['requests'], { call })).stderr).toContain('next: npx moor approve K7WQ2M\n')
  })

  it('answers a bare call with the status on a terminal, and with usage and 2 without', async () => {
    await using world = await createWorld()
    const onTerminal = await world.moor([], { tty: true, env: { NO_COLOR: '1' } })
    expect(onTerminal).toMatchObject({ code: 0, stdout: expect.stringContaining('pid 4242') })
    const usage = await world.moor([])
    expect(usage).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Usage: moor') })
    expect(usage.stderr).toContain('Without a command: the status, on a terminal.')
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
    for (const { name: argument } of command.args)
      expect(ran.stdout).toMatch(new RegExp(`[<[]${argument}(\\.{3})?[>\\]]`))
    for (const option of [...command.options, ...globalOptions]) expect(ran.stdout).toContain(`--${option.name}`)
    // Explained once, in the help of everything.
    for (const { summary } of globalOptions) expect(ran.stdout).not.toContain(summary)
    expect(ran.stdout.split('\n\n')[1]).toMatch(/\.$/)
    expect(await world.moor(['help', ...name.split(' ')])).toEqual(ran)
  })

  it('understands its own examples', async () => {
    await using world = await createWorld()
    await writeLog(world.places, log)
    for (const example of command.examples) {
      const words = wordsOf(example.replace(/^source <\((.*)\)$/, '$1').replace(/ > .*$/, ''))
      const isEndless = words.includes('-f')
      const more = isEndless ? ['--timeout', '1ms'] : []
      const ran = await world.moor([...words.slice(1), ...more], { runDaemon: async () => 0 })
      // 4: asks a person. 6: a daemon runs already. 7: expects a key that only the reader has. 124: was told to end.
      expect([0, 4, 6, 7, 124], example).toContain(ran.code)
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
      const next = name === 'help' ? 'moor help' : `moor help ${name}`
      expect(ran.stderr).toMatch(/^error usage: /)
      expect(ran.stderr).toContain(`next: ${next}\n`)
      const failure = { v: 1, kind: 'error', data: { code: 'usage', next } }
      expect(JSON.parse(ran.stdout)).toMatchObject(failure)
    }
    if (command.args.some(({ isOptional }) => isOptional !== true))
      expect((await world.moor(name.split(' '))).code).toBe(2)
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
    // A stream has no other end: there is nothing to tell.
    const isStream = commandTable.find((command) => command.name === name)?.isStream === true
    if (isStream) expect(ran).toMatchObject({ stdout: '', stderr: '' })
    else expect(ran.stderr).toContain('error cancelled')
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
    for (const value of ['daemon-unreachable', 'trace', 'fish']) expect(stdout).toContain(value)
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
    expect(complete('hel')).toEqual(['help'])
    expect(complete('block')).toEqual(['blocks', 'block'])
    expect(complete('block', '')).toEqual(expect.arrayContaining(['show', 'watch']))
    expect(complete('approve', 'K7WQ2M', '--ex')).toEqual(['--expect-key'])
    expect(complete('blocks', '--js')).toEqual(['--json'])
    expect(complete('help', 'bl')).toEqual(['blocks', 'block'])
    expect(complete('explain', 'daemon-')).toEqual(['daemon-unreachable', 'daemon-stopping'])
    expect(complete('completion', '')).toEqual(expect.arrayContaining(['bash', 'zsh', 'fish']))
    expect(complete('logs', '--level', '')).toEqual([...logLevels])
    expect(complete('--timeout', '5s', 'stat')).toEqual(['status'])
    expect(complete('approve', 'K7WQ2M', '--name', '')).toEqual([''])
  })

  it.skipIf(spawnSync('zsh', ['--version']).status !== 0)('works in zsh', async () => {
    await using world = await createWorld({ isStarted: false })
    const { stdout } = await world.moor(['completion', 'zsh'])
    // The shell's own function is replaced: what it is given is what it would offer.
    const offered = (...words: string[]): string[] => {
      const list = ['moor', ...words].map((word) => `'${word}'`).join(' ')
      const script = [
        'compdef() { :; }; _default() { :; }',
        `_describe() { [[ "$1" == -o ]] && return; print -l -- "\${(@P)2}"; }`,
        stdout.replace(/\nif \[ "\$funcstack[^\n]*\n$/, ''),
        `words=(${list}); CURRENT=$#words; _moor`,
      ].join('\n')
      const ran = spawnSync('zsh', ['-f', '-c', script], { encoding: 'utf8' })
      expect(ran.stderr).toBe('')
      return ran.stdout
        .split('\n')
        .flatMap((line) => line.split(':', 1))
        .filter((word) => word !== '')
    }
    expect(offered('')).toEqual(expect.arrayContaining(['up', 'approve', 'block', 'help']))
    expect(offered('block', '')).toEqual(['show', 'watch', 'reset-history'])
    expect(offered('help', '')).toEqual(expect.arrayContaining(['up', 'block']))
    expect(offered('explain', '')).toEqual([...errorCodes])
    expect(offered('logs', '--level', '')).toEqual([...logLevels])
    expect(offered('--timeout', '5s', '')).toContain('status')
    expect(offered('approve', 'K7WQ2M', '')).toEqual([])
  })
})
