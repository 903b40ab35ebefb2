/** The command line. */
import { parseArgs } from 'node:util'
import { quickSizes, type Sizes, wholeSizes } from './sizes.ts'
import type { Subject } from './subject.ts'
import { subjects } from './subjects/index.ts'
import type { Workload } from './workload.ts'
import { workloads } from './workloads/index.ts'

export interface Options {
  readonly sizes: Sizes
  readonly workloads: readonly Workload[]
  readonly subjects: readonly Subject[]
  readonly asJson: boolean
}

export const usage = `usage: npm run bench -- [options]
  --quick            smaller amounts and one run of each: at most 4 minutes
  --workload NAME    only this one; may be given again (${workloads.map(({ name }) => name).join(', ')})
  --subject NAME     only this one; may be given again (${subjects.map(({ name }) => name).join(', ')})
  --repeats N        runs of each workload
  --json             one JSON object per line on standard output instead of the table`

/** @throws an error that names what is wrong with the command line; undefined when only the usage is wanted */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      workload: { type: 'string', multiple: true, default: [] },
      subject: { type: 'string', multiple: true, default: [] },
      repeats: { type: 'string' },
    },
  })
  if (values.help) return undefined
  const base = values.quick ? quickSizes : wholeSizes
  const repeats = values.repeats === undefined ? undefined : Number(values.repeats)
  if (repeats !== undefined && !(Number.isInteger(repeats) && repeats >= 1 && repeats <= 100)) {
    throw new Error('--repeats takes a number from 1 to 100')
  }
  return {
    sizes: repeats === undefined ? base : { ...base, repeats, crashRepeats: repeats },
    workloads: pick('workload', workloads, values.workload),
    subjects: pick('subject', subjects, values.subject),
    asJson: values.json,
  }
}

function pick<T extends { readonly name: string }>(
  what: string,
  all: readonly T[],
  names: readonly string[],
): readonly T[] {
  const unknown = names.filter((name) => !all.some((each) => each.name === name))
  if (unknown.length > 0)
    throw new Error(`no ${what} ${unknown.join(', ')}; there are ${all.map(({ name }) => name).join(', ')}`)
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name))
}
