/**
 * The JSON Schema of everything that is said, for plugins in other languages. `npm run schemas` writes a file for each
 * protocol into `protocol/json-schema/`, or into the folder that is named.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  controlProtocol,
  type Protocol,
  pluginProtocols,
  rpcFrames,
  type Schema,
  toJsonSchema,
} from '../protocol/index.ts'
// Names the shared values and gives them their patterns.
import './spec-shapes.ts'

/** Where the files are kept. */
export const schemaDir = fileURLToPath(new URL('../protocol/json-schema', import.meta.url))

/** The text of each file by its name. */
export function schemaFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  const put = (name: string, schemas: object): void => {
    files.set(`${name}.json`, `${JSON.stringify(schemas, null, 2)}\n`)
  }
  put('calls', { caller: framesOf(rpcFrames.dialler), answerer: framesOf(rpcFrames.listener) })
  for (const protocol of Object.values({ ...pluginProtocols, control: controlProtocol })) {
    put(nameOf(protocol), { protocol: protocol.id, ...schemasOf(protocol) })
  }
  return files
}

/** `/mooring/host/1.0.0` is `host`. */
const nameOf = ({ id }: Protocol): string => id.split('/')[2] ?? id

const framesOf = (table: Readonly<Record<string, Schema>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(table).map(([type, schema]) => [type, toJsonSchema(schema)]))

function schemasOf(protocol: Protocol): Record<string, unknown> {
  if (protocol.kind === 'frames') {
    return { dialler: framesOf(protocol.dialler), listener: framesOf(protocol.listener) }
  }
  const operations = Object.entries(protocol.ops).map(([name, op]) => {
    const answer = op.kind === 'unary' ? { output: toJsonSchema(op.output) } : { item: toJsonSchema(op.item) }
    return [name, { summary: op.summary, input: toJsonSchema(op.input), ...answer, errors: op.errors }]
  })
  return { operations: Object.fromEntries(operations) }
}

function main([dir = schemaDir]: readonly string[]): void {
  mkdirSync(dir, { recursive: true })
  for (const [name, text] of schemaFiles()) writeFileSync(join(dir, name), text)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2))
