/**
 * The header of a saved Automerge document, read without loading it: its heads say what it holds. Keeps: a header that is
 * no header is refused, and nothing of it is believed beyond what a load will check.
 */
import { MooringError } from '../../protocol/index.ts'

const magic = [0x85, 0x6f, 0x4a, 0x83]
const typeAt = 8
const hashBytes = 32

/** The heads of the document in the first chunk. @throws `malformed` for anything but a document */
export function headsOf(bytes: Uint8Array): string[] {
  if (magic.some((byte, at) => bytes[at] !== byte) || bytes[typeAt] !== 0) refuse('no document')
  let at = typeAt + 1
  const number = (): number => {
    let value = 0
    for (let shift = 1; shift < 2 ** 49; shift *= 0x80) {
      const byte = bytes[at++] ?? refuse('it is cut off')
      value += (byte & 0x7f) * shift
      if (byte < 0x80) return value
    }
    return refuse('a number has no end')
  }
  number()
  const actors = number()
  for (let actor = 0; actor < actors; actor++) {
    const length = number()
    at += length
    if (at > bytes.length) refuse('it is cut off')
  }
  const heads = number()
  if (at + heads * hashBytes > bytes.length) refuse('it is cut off')
  return Array.from({ length: heads }, () => {
    const head = Buffer.from(bytes.subarray(at, at + hashBytes)).toString('hex')
    at += hashBytes
    return head
  })
}

function refuse(what: string): never {
  throw new MooringError('malformed', { detail: `a snapshot: ${what}` })
}
