/** Durations as people type them (`10m`, `1h30m`, `500ms`) and as they read them. */
import { MooringError } from '../../protocol/index.ts'

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
type Unit = keyof typeof unitMs

/** The longest an invite may last. */
const longestMs = 30 * unitMs.d

/**
 * In milliseconds. A number alone is refused: some programs take it for seconds, others for minutes.
 * @throws `usage` when it is no duration between 1 ms and the longest, thirty days
 */
export function parseDuration(text: string, maxMs = longestMs): number {
  if (!/^(?:\d{1,9}(?:ms|s|m|h|d))+$/.test(text)) refuse(maxMs)
  let total = 0
  for (const [, amount = '', unit = ''] of text.matchAll(/(\d+)(ms|s|m|h|d)/g))
    total += Number(amount) * unitMs[unit as Unit]
  if (total < 1 || total > maxMs) refuse(maxMs)
  return total
}

/** The two largest units, rounded to the smaller one: `3d 4h`, `12m 5s`, `500ms`, `0s`. */
export function formatDuration(ms: number): string {
  if (ms <= 0) return '0s'
  if (Math.round(ms) < unitMs.s) return `${Math.round(ms)}ms`
  const smallest = ms >= unitMs.d ? unitMs.h : ms >= unitMs.h ? unitMs.m : unitMs.s
  // Rounded before it is cut into units: 59m 59.9s is an hour.
  let rest = Math.round(ms / smallest) * smallest
  const parts: string[] = []
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const amount = Math.floor(rest / unitMs[unit])
    rest -= amount * unitMs[unit]
    if (amount > 0) parts.push(`${amount}${unit}`)
  }
  return parts.join(' ')
}

function refuse(maxMs: number): never {
  throw new MooringError('usage', {
    detail: `a duration is like 30s, 10m, 1h30m or 500ms, from 1ms to ${maxMs / unitMs.d}d`,
  })
}
