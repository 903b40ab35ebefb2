import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { configTable, parseConfig, quotasIn, readConfig } from '../../../daemon/config.ts'
import { quotasOf } from '../../../daemon/log/quotas.ts'
import { MooringError } from '../../../protocol/errors.ts'

const file = '/etc/moor/config.toml'
const read = (text?: string, env: Record<string, string> = {}) =>
  parseConfig({ ...(text === undefined ? {} : { text }), file, env })
const detailOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    if (error instanceof MooringError && error.code === 'config-invalid') return error.detail ?? ''
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('configuration', () => {
  it('has defaults for every key', () => {
    expect(read()).toEqual({
      config: {
        listen: { host: '127.0.0.1', port: 4410, tcp: true },
        storage: { backend: 'sqlite' },
        quota: {
          peer_mib: 1_024,
          peer_blocks: 10_000,
          peer_ops_per_second: 100_000,
          block_mib: 64,
          block_ops: 2_000_000,
        },
        log: { level: 'info', levels: {} },
      },
      warnings: [],
    })
  })

  it('takes the file over the default and the environment over the file', () => {
    const text = '[listen]\nport = 5000\nhost = "0.0.0.0"\n[log.levels]\nnet = "debug"\n'
    const { config } = read(text, { MOORING_LISTEN_PORT: '6000', MOORING_LISTEN_TCP: 'false' })
    expect(config.listen).toEqual({ host: '0.0.0.0', port: 6000, tcp: false })
    expect(config.log.levels).toEqual({ net: 'debug' })
  })

  it('has an environment variable for every key', () => {
    const env = {
      MOORING_LISTEN_HOST: '::1',
      MOORING_LISTEN_PORT: '0',
      MOORING_LISTEN_TCP: '0',
      MOORING_STORAGE_BACKEND: 'sqlite',
      MOORING_QUOTA_PEER_MIB: '2',
      MOORING_QUOTA_PEER_BLOCKS: '3',
      MOORING_QUOTA_PEER_OPS_PER_SECOND: '200000',
      MOORING_QUOTA_BLOCK_MIB: '4',
      MOORING_QUOTA_BLOCK_OPS: '5000',
      MOORING_LOG_LEVEL: 'warn',
      MOORING_LOG_LEVELS: 'net=debug, store=trace',
    }
    expect(read(undefined, env).config).toEqual({
      listen: { host: '::1', port: 0, tcp: false },
      storage: { backend: 'sqlite' },
      quota: { peer_mib: 2, peer_blocks: 3, peer_ops_per_second: 200_000, block_mib: 4, block_ops: 5_000 },
      log: { level: 'warn', levels: { net: 'debug', store: 'trace' } },
    })
  })

  it('gives the log its quotas in bytes and counts, which by default are those of the table of limits', () => {
    const { config } = read('[quota]\npeer_mib = 2\nblock_mib = 4\n')
    const mib = 1024 * 1024
    expect(quotasIn(config)).toMatchObject({ maxBytesPerPeer: 2 * mib, maxBytesPerBlock: 4 * mib })
    expect(quotasOf(quotasIn(read().config))).toEqual(quotasOf())
  })

  it('is frozen', () => {
    const { config } = read()
    expect(Object.isFrozen(config) && Object.isFrozen(config.listen)).toBe(true)
  })

  it.each([
    ['a port above 65535', '[listen]\nport = 70000', {}, ['listen.port', file]],
    ['a port that is text', '[listen]\nport = "4410"', {}, ['listen.port', file]],
    ['a port that is no number in the environment', undefined, { MOORING_LISTEN_PORT: '44x' }, ['MOORING_LISTEN_PORT']],
    [
      'an empty port in the environment',
      undefined,
      { MOORING_LISTEN_PORT: '' },
      ['listen.port', 'MOORING_LISTEN_PORT'],
    ],
    ['a host that is no address', '[listen]\nhost = "example"', {}, ['listen.host', file]],
    ['an unknown backend', '[storage]\nbackend = "memory"', {}, ['storage.backend', file]],
    ['an unknown level of a subsystem', '[log.levels]\nnet = "loud"', {}, ['log.levels.net', file]],
    ['a section that is a value', 'listen = 4', {}, ['listen', file]],
    ['a file that is no TOML', '[listen\nport = 1', {}, [file, 'line 1']],
  ])('refuses %s', (_what, text, env, names) => {
    const detail = detailOf(() => read(text, env))
    for (const name of names) expect(detail).toContain(name)
    expect(detail).not.toContain('\n')
  })

  it('warns of an unknown key, section and variable, with a suggestion, and goes on', () => {
    const { config, warnings } = read('[listen]\nprot = 1\n[lsiten]\nport = 2\n', {
      MOORING_LISTEN_PROT: '3',
      MOORING_HOME: '/somewhere',
      MOORING_TICKET: 'moor1',
    })
    expect(config.listen.port).toBe(4410)
    expect(warnings).toHaveLength(3)
    expect(warnings.join('\n')).toMatch(/lsiten; did you mean listen\?/)
    expect(warnings.join('\n')).toMatch(/listen\.prot; did you mean port\?/)
    expect(warnings.join('\n')).toMatch(/MOORING_LISTEN_PROT; did you mean MOORING_LISTEN_PORT\?/)
  })

  it('is not moved by keys named after parts of objects', () => {
    const { config, warnings } = read('__proto__ = { polluted = true }\nconstructor = 1\n')
    expect(warnings).toHaveLength(2)
    expect(Reflect.get(config, 'polluted')).toBeUndefined()
  })

  it('reads a file without changing it, and does without one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'moor-config-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'config.toml')
    expect((await readConfig(path, {})).config.listen.port).toBe(4410)
    await writeFile(path, '# mine\n[listen]\nport = 1234\n')
    expect((await readConfig(path, {})).config.listen.port).toBe(1234)
    expect(await readFile(path, 'utf8')).toBe('# mine\n[listen]\nport = 1234\n')
    await expect(readConfig(folder, {})).rejects.toMatchObject({ code: 'config-invalid' })
  })

  it('is documented: every key, its variable, its default, and nothing else', async () => {
    const text = await readFile(new URL('../../../daemon/README.md', import.meta.url), 'utf8')
    const rows = text.split('\n').filter((line) => line.startsWith('| `') && line.includes('MOORING_'))
    const expected = Object.entries(configTable).flatMap(([section, keys]) =>
      Object.entries(keys).map(
        ([name, row]) =>
          `| \`${section}.${name}\` | \`MOORING_${section}_${name}\` | \`${JSON.stringify(row.default)}\` | ${row.summary} |`,
      ),
    )
    const asWritten = expected.map((row) => row.replace(/MOORING_\w+/, (variable) => variable.toUpperCase()))
    expect(rows).toEqual(asWritten)
    // The variable of each row is the one that is read.
    const [, port] = /`(MOORING_LISTEN_PORT)`/.exec(text) ?? []
    expect(read(undefined, { [port ?? '']: '5001' }).config.listen.port).toBe(5001)
  })
})
