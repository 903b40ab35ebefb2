/**
 * What of a list in the order of addresses a peer may read. Keeps: passing over what it may not read costs no more for many
 * blocks than for few: a peer could make the daemon look through everybody's by asking for its own.
 */
import { allows, type Grant } from '../../protocol/index.ts'
import type { ListReader } from './blocks.ts'

export function listReader(grants: readonly Grant[]): ListReader {
  const read = grants.filter(({ area, right }) => area === 'blocks' && right === 'read')
  const ranges = read.map(({ isDeny, pattern = '' }) => ({ isDeny, ...rangeOf(pattern) }))
  return {
    mayRead: (address) => allows(grants, { area: 'blocks', right: 'read', subject: address }),
    next(address) {
      const denied = ranges.filter(({ isDeny, from, to }) => isDeny && from <= address && address < to)
      // Behind all that denies it: what else denies the place is found there.
      if (denied.length > 0) return last(denied.map(({ to }) => to))
      const ahead = ranges.filter(({ isDeny, from }) => !isDeny && from > address).map(({ from }) => from)
      return ahead.sort()[0]
    },
  }
}

/** Addresses that a pattern covers, from one on and before another. */
function rangeOf(pattern: string): { from: string; to: string } {
  const star = pattern.indexOf('*')
  // What names one block covers nothing between it and the next possible address.
  if (star < 0) return { from: pattern, to: `${pattern}\0` }
  const prefix = pattern.slice(0, star)
  // The first text that does not begin like this and is behind all that do.
  return { from: prefix, to: prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1) }
}

const last = (places: readonly string[]): string | undefined => [...places].sort().at(-1)
