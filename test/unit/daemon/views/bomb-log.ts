/** A log with one change that is small to send and large to apply. */
import * as Automerge from '@automerge/automerge'
import { assemble, columnIds, takeApart } from '../../../fixtures/change-builder.ts'
import { join, sized, sleb, uleb, utf8 } from '../../../fixtures/change-encoding.ts'
import { BlockLog } from './block-log.ts'

/** Some 170 bytes that put a list of `items` nulls into the map: one run in each column. */
export function bombLog(id: number, items: number): BlockLog {
  const log = new BlockLog('map', id)
  const honest = Automerge.change(Automerge.clone(log.document), { time: 0 }, ({ map }) => {
    map.list = [null, null, null, null]
  })
  const parts = takeApart(Automerge.getLastLocalChange(honest) ?? new Uint8Array())
  const one = (byte: number): Uint8Array => Uint8Array.of(byte)
  // Operation 2 makes the list, in the map that the schema made; operations 3 … insert a null behind the one before.
  const columns: [keyof typeof columnIds, Uint8Array][] = [
    ['objActor', join(sleb(-1), uleb(1), sleb(items), uleb(0))],
    ['objCtr', join(sleb(-1), uleb(1), sleb(items), uleb(2))],
    ['keyActor', join(one(0), uleb(2), sleb(items - 1), uleb(0))],
    // Deltas: 0 for the head, then 3, 4, 5 …
    ['keyCtr', join(one(0), uleb(1), sleb(-2), sleb(0), sleb(3), sleb(items - 2), sleb(1))],
    ['keyStr', join(sleb(-1), sized(utf8('list')), one(0), uleb(items))],
    ['insert', join(uleb(1), uleb(items))],
    ['action', join(sleb(-1), uleb(2), sleb(items), uleb(1))],
    ['valMeta', join(sleb(items + 1), uleb(0))],
    ['predNum', join(sleb(items + 1), uleb(0))],
  ]
  log.append(assemble({ ...parts, columns: columns.map(([name, data]) => ({ id: columnIds[name], data })) }))
  return log
}
