/** `moor grants`: every right there is, from the table that grants are checked with. Needs no daemon. */
import { z } from 'zod'
import { grantTable } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { fields, table } from './table.ts'

/** What a right is about: the word that stands for it in the list, and how it is written. */
const patterns = {
  block: { word: 'BLOCK', form: 'space:ID/LABEL or agent:ID/LABEL, such as space:home/notes or space:home/*' },
  address: { word: 'WHO', form: 'agent:NAME, plugin:NAME, thread:NAME or user:NAME, such as agent:scout or agent:*' },
  name: { word: 'NAME', form: 'the name of an agent, or *' },
} as const

const grantShape = z.strictObject({
  area: z.string(),
  right: z.string(),
  /** How the pattern is written; null: it takes none. */
  pattern: z.string().nullable(),
  meaning: z.string(),
  /** Whether nothing asks for it in this version. */
  isReserved: z.boolean(),
})

interface Row {
  readonly form: keyof typeof patterns | 'none'
  readonly meaning: string
  readonly isReserved?: true
}

export const grants = defineCommand({
  name: 'grants',
  summary: 'List what can be granted: every area:right[:pattern] with its meaning',
  description: 'A grant with ! in front denies, and a deny always wins. No right implies another.',
  args: [],
  options: [],
  examples: ['moor grants', 'moor grants --json'],
  input: z.object({}),
  data: z.strictObject({ grants: z.array(grantShape) }),
  async run({ output }) {
    const rows = Object.entries(grantTable).flatMap(([area, rights]) =>
      Object.entries<Row>(rights).map(([right, row]) => ({ area, right, row })),
    )
    const data = rows.map(({ area, right, row }) => ({
      area,
      right,
      pattern: row.form === 'none' ? null : patterns[row.form].form,
      meaning: row.meaning.replace('{}', () => wordOf(row)),
      isReserved: row.isReserved === true,
    }))
    const lines = data.map(({ area, right, meaning, isReserved }, i) => [
      [area, right, ...(rows[i]?.row.form === 'none' ? [] : [wordOf(rows[i]?.row)])].join(':'),
      `${meaning}${isReserved ? ' (without effect in this version)' : ''}`,
    ])
    output.answer({ grants: data }, [
      ...table(['GRANT', 'THE PLUGIN MAY'], lines),
      '',
      ...fields(Object.values(patterns).map(({ word, form }) => [word, form] as const)),
    ])
    output.next("moor invite --grant 'blocks:read:space:home/*'")
  },
})

const wordOf = (row: Row | undefined): string =>
  row === undefined || row.form === 'none' ? '' : patterns[row.form].word
