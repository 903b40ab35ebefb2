/**
 * The configuration: defaults, then the operator's TOML file, then the environment. Keeps true: the file is only read,
 * never written; a value that cannot be used stops the start and is named; a key that is not known is reported and
 * changes nothing.
 */
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { parse } from 'smol-toml'
import { z } from 'zod'
import { limits, MooringError } from '../protocol/index.ts'
import { closest } from './cli/closest.ts'
import { levels } from './log.ts'

const levelName = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])

interface Key<S extends z.ZodType> {
  readonly summary: string
  readonly schema: S
  readonly default: z.output<S>
  /** What the text of an environment variable stands for; a wrong text is left as it is, for the schema to refuse. */
  readonly fromText: (text: string) => unknown
}

const key = <S extends z.ZodType>(row: Key<S>): Key<S> => row
const asText = (text: string): unknown => text
const asNumber = (text: string): unknown => (/^\d{1,10}$/.test(text) ? Number(text) : text)
const asFlag = (text: string): unknown => ({ true: true, '1': true, false: false, '0': false })[text] ?? text
/** `net=debug,storage=trace` */
const asLevels = (text: string): unknown =>
  Object.fromEntries(
    text.split(',').map((pair) => [pair.split('=', 1)[0]?.trim(), pair.split('=').slice(1).join('=').trim()]),
  )

const mib = 1024 * 1024

const quota = (summary: string, { min, max, initial }: { min: number; max: number; initial: number }) =>
  key({ summary, schema: z.int('must be a whole number').min(min).max(max), default: initial, fromText: asNumber })

/** Every key there is, by section. In the environment a key is `MOORING_<SECTION>_<KEY>`. */
export const configTable = {
  listen: {
    host: key({
      summary: 'IP address to listen on; 0.0.0.0 or :: lets other machines in',
      schema: z.string().refine((text) => isIP(text) !== 0, 'must be an IP address'),
      default: '127.0.0.1',
      fromText: asText,
    }),
    port: key({
      summary: 'UDP port (and TCP port), 0 for any free one',
      schema: z.int('must be a whole number').min(0).max(65_535),
      default: 4410,
      fromText: asNumber,
    }),
    tcp: key({
      summary: 'also listen on TCP, for networks that block UDP',
      schema: z.boolean('must be true or false'),
      default: true,
      fromText: asFlag,
    }),
  },
  storage: {
    backend: key({
      summary: 'where the log is kept',
      schema: z.enum(['sqlite'], 'must be sqlite'),
      default: 'sqlite',
      fromText: asText,
    }),
  },
  // Of a block no more than the default: its document is made elsewhere too. Of a second no less: what belongs together has to fit.
  quota: {
    peer_mib: quota('what one plugin may take up on the disk, in MiB', {
      ...{ min: 1, max: 16 * mib, initial: limits.maxBytesPerPeer / mib },
    }),
    peer_blocks: quota('blocks that one plugin may create', {
      ...{ min: 1, max: 1_000_000, initial: limits.maxBlocksPerPeer },
    }),
    peer_ops_per_second: quota('operations that one plugin may write in a second', {
      ...{ min: limits.maxOpsPerPeerSecond, max: 10_000_000, initial: limits.maxOpsPerPeerSecond },
    }),
    block_mib: quota('what the changes of one block may hold, in MiB', {
      ...{ min: 1, max: limits.maxBytesPerBlock / mib, initial: limits.maxBytesPerBlock / mib },
    }),
    block_ops: quota('operations that one block may have', {
      ...{ min: 1_000, max: limits.maxOpsPerBlock, initial: limits.maxOpsPerBlock },
    }),
  },
  log: {
    level: key({ summary: levels.join(', '), schema: levelName, default: 'info', fromText: asText }),
    levels: key({
      summary: 'levels of single subsystems, e.g. net = "debug"',
      schema: z.record(z.string().regex(/^[a-z0-9-]{1,32}$/, 'must be the name of a subsystem'), levelName),
      default: {},
      fromText: asLevels,
    }),
  },
} as const

type Table = typeof configTable
type ValueOf<Row> = Row extends Key<infer S> ? z.output<S> : never

/** Frozen. Sections and keys as in the file. */
export type Config = {
  readonly [Section in keyof Table]: { readonly [Name in keyof Table[Section]]: ValueOf<Table[Section][Name]> }
}

export interface ReadConfig {
  readonly config: Config
  /** One sentence each, about keys that are not known. They contain text of the file: sanitise before printing. */
  readonly warnings: readonly string[]
}

export interface ConfigSource {
  /** Contents of the file; absent: there is none. */
  readonly text?: string
  /** Only for messages. */
  readonly file: string
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Reads the file, which need not exist. @throws `config-invalid` naming the key and the file or the variable */
export async function readConfig(file: string, env: ConfigSource['env']): Promise<ReadConfig> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return parseConfig({ file, env })
    throw new MooringError('config-invalid', { detail: `${file} cannot be read`, cause })
  }
  return parseConfig({ text, file, env })
}

/** @throws `config-invalid` naming the key and the file or the variable */
export function parseConfig(source: ConfigSource): ReadConfig {
  const warnings: string[] = []
  const written = source.text === undefined ? {} : parseToml(source.text, source.file)
  warnUnknown(written, Object.keys(configTable), (name) => `${source.file}: unknown section or key ${name}`, warnings)
  const sections: Record<string, Record<string, unknown>> = {}
  for (const [section, keys] of Object.entries(configTable)) {
    const values = tableOf(written[section], section, source.file)
    warnUnknown(values, Object.keys(keys), (name) => `${source.file}: unknown key ${section}.${name}`, warnings)
    sections[section] = {}
    for (const [name, row] of Object.entries(keys) as [string, Key<z.ZodType>][]) {
      const variable = variableOf(section, name)
      const text = source.env[variable]
      const value = text === undefined ? values[name] : row.fromText(text)
      const where = text === undefined ? source.file : variable
      sections[section][name] =
        value === undefined ? row.default : check(row.schema, value, `${section}.${name}`, where)
    }
    Object.freeze(sections[section])
  }
  warnVariables(source.env, warnings)
  return { config: Object.freeze(sections) as Config, warnings }
}

const variableOf = (section: string, name: string): string => `MOORING_${section}_${name}`.toUpperCase()

function parseToml(text: string, file: string): Record<string, unknown> {
  try {
    return parse(text)
  } catch (cause) {
    // The library's message repeats lines of the file over several lines; its first line says what is wrong.
    const reason = cause instanceof Error ? (cause.message.split('\n', 1)[0] ?? '') : ''
    const line = cause instanceof Error && 'line' in cause ? `, line ${cause.line}` : ''
    throw new MooringError('config-invalid', { detail: `${file}${line}: ${reason}`, cause })
  }
}

function tableOf(value: unknown, section: string, file: string): Record<string, unknown> {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date) {
    throw new MooringError('config-invalid', { detail: `${section} in ${file}: must be a section, [${section}]` })
  }
  return value as Record<string, unknown>
}

function check(schema: z.ZodType, value: unknown, name: string, where: string): unknown {
  const result = schema.safeParse(value)
  if (result.success) return typeof result.data === 'object' ? Object.freeze(result.data) : result.data
  const issue = result.error.issues[0]
  const path = [name, ...(issue?.path ?? []).map(String)].join('.')
  throw new MooringError('config-invalid', { detail: `${path} in ${where}: ${issue?.message ?? 'is not valid'}` })
}

function warnUnknown(
  found: Record<string, unknown>,
  known: readonly string[],
  say: (name: string) => string,
  warnings: string[],
): void {
  for (const name of Object.keys(found)) {
    if (!known.includes(name)) warnings.push(say(name) + didYouMean(name, known))
  }
}

/** Only variables of a known section: others of that prefix belong to other programs of the project. */
function warnVariables(env: ConfigSource['env'], warnings: string[]): void {
  const known = Object.entries(configTable).flatMap(([section, keys]) =>
    Object.keys(keys).map((name) => variableOf(section, name)),
  )
  const prefixes = Object.keys(configTable).map((section) => variableOf(section, ''))
  for (const name of Object.keys(env)) {
    if (known.includes(name) || !prefixes.some((prefix) => name.startsWith(prefix))) continue
    warnings.push(`unknown variable ${name}${didYouMean(name, known)}`)
  }
}

function didYouMean(name: string, known: readonly string[]): string {
  const guess = closest(name, known)
  return guess === undefined ? ` (known: ${known.join(', ')})` : `; did you mean ${guess}?`
}

/** The bounds that the operator set, in the units of the log. */
export const quotasIn = ({ quota: set }: Pick<Config, 'quota'>) => ({
  maxBytesPerPeer: set.peer_mib * mib,
  maxBlocksPerPeer: set.peer_blocks,
  maxOpsPerPeerSecond: set.peer_ops_per_second,
  maxBytesPerBlock: set.block_mib * mib,
  maxOpsPerBlock: set.block_ops,
})
