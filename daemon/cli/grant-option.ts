/** A grant as it is typed. Keeps true: a refusal names what was typed and what there is instead. */
import { z } from 'zod'
import { grantTable, MooringError, parseGrant } from '../../protocol/index.ts'
import { safeLine } from './sanitize.ts'

/** One `--grant`: checked before anything is asked of the daemon. */
export const grantOption = z.string().superRefine((text, context) => {
  try {
    parseGrant(text)
  } catch (error) {
    if (!(error instanceof MooringError)) throw error
    context.addIssue({
      code: 'custom',
      message: `"${safeLine(text, 80)}": ${reasonOf(text, error)}`,
      params: { next: 'moor grants' },
    })
  }
})

function reasonOf(text: string, error: MooringError): string {
  const [area = '', right = ''] = text.replace(/^!/, '').split(':')
  const rights = rightsOf(area)
  if (rights === undefined) return `a grant is area:right[:pattern]; areas are ${listed(Object.keys(grantTable))}`
  if (!rights.includes(right)) return `the rights of ${area} are ${listed(rights)}`
  return error.detail ?? 'is not valid'
}

function rightsOf(area: string): string[] | undefined {
  const table: Readonly<Record<string, object>> = grantTable
  return Object.hasOwn(table, area) ? Object.keys(table[area] ?? {}) : undefined
}

const listed = (names: readonly string[]): string => names.join(', ')
