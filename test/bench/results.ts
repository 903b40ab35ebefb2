/** What was measured: one row for each workload, subject and metric, and the table that people read. */
import type { Metric, Workload } from './workload.ts'

export interface Row {
  readonly workload: string
  readonly subject: string
  readonly metric: string
  /** Null when it could not be measured: {@link Result.why} says why. */
  readonly value: number | null
  readonly unit: string
}

/** All that one subject did in one workload. */
export interface Result {
  readonly workload: Workload
  readonly subject: string
  readonly rows: readonly Row[]
  readonly why?: string
}

const digits = (value: number): string => {
  const size = Math.abs(value)
  if (size >= 1_000) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : 2)
}

export const format = (value: number | null | undefined): string =>
  value === undefined ? '' : value === null ? 'n/a' : digits(value)

interface TableInit {
  readonly results: readonly Result[]
  /** In order; the others are compared with the first. */
  readonly subjects: readonly string[]
  readonly describe: (workload: Workload) => string
}

/** The name of Automerge alone in table and rows. */
export const localName = 'automerge-alone'

/** `deliveries_per_s` says what it counts, `lost` does not. */
export function labelOf({ name, unit }: Metric): string {
  const saysUnit = unit === '1/s' || unit === '%' || name === 'seconds' || name.split('_').includes(unit.toLowerCase())
  return saysUnit ? name : `${name} (${unit})`
}

/** One block for each workload. A ratio is the value of the first subject divided by that of another. */
export function renderTable({ results, subjects, describe }: TableInit): string {
  const blocks: string[] = []
  for (const workload of new Set(results.map((result) => result.workload))) {
    const own = results.filter((result) => result.workload === workload)
    const [first = '', ...others] = subjects.filter((name) => own.some(({ subject }) => subject === name))
    const find = (metric: string, subject: string): number | null | undefined =>
      own.flatMap(({ rows }) => rows).find((row) => row.metric === metric && row.subject === subject)?.value
    const header = ['', first, 'target', ...others, ...others.map((name) => `÷ ${name}`)]
    const lines = workload.metrics.map((metric) => {
      const valueIn = (subject: string): number | null | undefined => find(metric.name, subject)
      const ratios = others.map((other) => ratioOf(valueIn(first), valueIn(other)))
      const values = others.map((other) => format(valueIn(other)))
      return [labelOf(metric), format(valueIn(first)), metric.target ?? '', ...values, ...ratios]
    })
    const reasons = own.filter(({ why }) => why !== undefined).map(({ subject, why }) => `  ${subject}: ${why}`)
    blocks.push([`${workload.name}: ${describe(workload)}`, ...align([header, ...lines]), ...reasons].join('\n'))
  }
  return blocks.join('\n\n')
}

function ratioOf(value: number | null | undefined, by: number | null | undefined): string {
  if (value === undefined || value === null || by === undefined || by === null || by === 0) return ''
  const ratio = value / by
  return ratio >= 10 || ratio === 0 ? String(Math.round(ratio)) : ratio.toPrecision(2)
}

function align(lines: readonly (readonly string[])[]): string[] {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .replace(/^/, '  ')
      .trimEnd(),
  )
}
