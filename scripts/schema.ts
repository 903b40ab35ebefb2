/**
 * `node scripts/schema.ts NAME KEY:TYPE …`: prints the frozen initial change of a new block schema, ready to be pasted into
 * `protocol/schemas/NAME.ts`. TYPE is text, map or list. Every replica begins with these bytes, so they never change again.
 */
import { createHash } from 'node:crypto'
import * as A from '@automerge/automerge'

const [name, ...fields] = process.argv.slice(2)
const empty: Record<string, unknown> = { text: '', map: {}, list: [] }
const parsed = fields.map((field) => field.split(':') as [string, string])
if (name === undefined || parsed.length === 0 || parsed.some(([, type]) => !Object.hasOwn(empty, type ?? ''))) {
  console.error('usage: node scripts/schema.ts NAME KEY:TYPE …   with TYPE text, map or list')
  process.exit(2)
}
// Nobody's actor: 16 bytes, where that of a peer has 24.
const actor = createHash('sha256').update(`mooring schema ${name} 1`).digest('hex').slice(0, 32)
const doc = A.change(A.init<Record<string, unknown>>({ actor }), { time: 0 }, (draft) => {
  for (const [key, type] of parsed) draft[key] = empty[type]
})
const bytes = A.getLastLocalChange(doc)
if (bytes === undefined) throw new Error('no change was made')
const change = A.decodeChange(bytes)
const objects = parsed.map(([, type], index) => ({ id: `${index + 1}@${actor}`, type, depth: 1 }))
console.log({
  bytes: Buffer.from(bytes).toString('hex'),
  actor,
  seq: change.seq,
  hash: change.hash,
  maxOp: change.startOp + change.ops.length - 1,
  ops: change.ops.length,
  objects,
})
