/** Durations as people type them (`10m`, `1h30m`, `500ms`) and as they read them. */
import { MooringError } from '../../protocol/index.ts'

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
type Unit = keyof typeof unitMs

/** The longest an invite may last. */
const longestMs = 30 * unitMs.d

/** In milliseconds; a number alone is seconds. @throws `usage` when it is no duration between 1 ms and the longest, thirty days */
export function parseDuration(text: string, maxMs = longestMs): number {
  const whole = /^\d{1,9}$/.test(text) ? `${text}s` : text
  if (!/^(?:\d{1,9}(?:ms|s|m|h|d))+$/.test(whole)) refuse(maxMs)
  let total = 0
  for (const [, amount = '', unit = ''] of whole.matchAll(/(\d+)(ms|s|m|h|d)/g))
    total += Number(amount) * unitMs[unit as Unit]
  if (total < 1 || total > maxMs) refuse(maxMs)
  return total
}

/** The two largest units: `3d 4h`, `12m 5s`, `0s`. */
export function formatDuration(ms: number): string {
  const parts: string[] = []
  let rest = Math.max(0, Math.floor(ms / 1_000)) * 1_000
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const amount = Math.floor(rest / unitMs[unit])
    rest -= amount * unitMs[unit]
    if (amount > 0 || (unit === 's' && parts.length === 0)) parts.push(`${amount}${unit}`)
  }
  return parts.slice(0, 2).join(' ')
}

function refuse(maxMs: number): never {
  throw new MooringError('usage', {
    detail: `a duration is like 30s, 10m, 1h30m or 500ms, from 1ms to ${maxMs / unitMs.d}d`,
  })
}
