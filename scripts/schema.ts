/**
 * `node scripts/schema.ts NAME[@VERSION] PATH:TYPE …`: prints a frozen change of a block schema, ready to be pasted into
 * `protocol/schemas/NAME.ts`. PATH is a key, or keys with dots between them for a container in one that stands before it;
 * TYPE is text, map or list. Every replica has these bytes, so they never change again.
 *
 * Version 1 is the initial change. A later version is an upgrade: it goes behind those that the schema has, and adds the
 * containers that are named.
 */
import { createHash } from 'node:crypto'
import * as A from '@automerge/automerge'
import { type FrozenChange, frozenOf, isSchemaName, schemaNamed } from '../protocol/schemas/index.ts'

type Root = { [key: string]: unknown }

const [title = '', ...fields] = process.argv.slice(2)
const [name = '', version = '1'] = title.split('@')
const empty: Record<string, unknown> = { text: '', map: {}, list: [] }
const parsed = fields.map((field) => field.split(':') as [string, string])
if (name === '' || parsed.length === 0 || parsed.some(([, type]) => !Object.hasOwn(empty, type ?? ''))) {
  console.error('usage: node scripts/schema.ts NAME[@VERSION] PATH:TYPE …   with TYPE text, map or list')
  process.exit(2)
}
const before: readonly FrozenChange[] = version !== '1' && isSchemaName(name) ? frozenOf(schemaNamed(name)) : []
if (before.length !== Number(version) - 1) {
  console.error(
    `version ${version} of ${name} comes behind ${Number(version) - 1} frozen changes; there are ${before.length}`,
  )
  process.exit(2)
}
// Nobody's actor: 16 bytes, where that of a peer has 24.
const actor = createHash('sha256').update(`mooring schema ${name} ${version}`).digest('hex').slice(0, 32)
const [start] = A.applyChanges(
  A.init<Root>({ actor }),
  before.map(({ bytes }) => bytes),
)
const doc = A.change(start, { time: 0 }, (draft) => {
  for (const [path, type] of parsed) {
    const keys = path.split('.')
    const parent = keys.slice(0, -1).reduce<Root>((at, key) => at[key] as Root, draft)
    parent[keys.at(-1) ?? ''] = empty[type]
  }
})
const bytes = A.getLastLocalChange(doc)
if (bytes === undefined) throw new Error('no change was made')
const change = A.decodeChange(bytes)
const objects = parsed.map(([path, type], index) => ({
  id: `${change.startOp + index}@${actor}`,
  type,
  depth: path.split('.').length,
}))
console.log({
  bytes: Buffer.from(bytes).toString('hex'),
  actor,
  seq: change.seq,
  hash: change.hash,
  maxOp: change.startOp + change.ops.length - 1,
  ops: change.ops.length,
  objects,
})
