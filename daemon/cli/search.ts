/** `moor search`: finds blocks and entries of the archive by their words. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { safeId, safeLine } from './sanitize.ts'
import { table } from './table.ts'

const operation = controlProtocol.ops['search.query']
const { scopes, cursor, kinds } = operation.input.shape

export const search = defineCommand({
  name: 'search',
  summary: 'Find blocks and entries of the archive by their words, best first',
  description:
    'All words must be there; a "phrase" as it stands; nothing with a word that has a minus in front. Marked words stand between brackets.',
  args: [{ name: 'text', summary: 'words and "phrases"' }],
  options: [
    { name: 'scope', value: 'scope', isRepeatable: true, summary: 'only there, such as space:home' },
    {
      name: 'kind',
      value: 'kind',
      isRepeatable: true,
      values: ['block', 'archive'],
      summary: 'only blocks, or entries',
    },
    { name: 'limit', value: 'count', summary: 'how many at once, 50 at most (default 20)' },
    { name: 'after', value: 'cursor', summary: 'goes on where an answer ended' },
  ],
  examples: ['moor search kettle', `moor search 'blue "tea kettle" -broken' --scope space:home --json`],
  input: z.object({
    text: z.string(),
    scope: scopes,
    kind: kinds.removeDefault().optional(),
    limit: z.coerce.number().int().min(1).max(50).optional(),
    after: cursor,
  }),
  data: operation.output,
  async run({ connect, call, output }, { text, scope, kind, limit, after }) {
    const client = await connect()
    const answer = await client.search.query({ text, scopes: scope, kinds: kind, limit, cursor: after }, call())
    const rows = answer.hits.map((hit) => [
      hit.kind === 'block' ? safeId(hit.address, 256) : safeId(hit.id),
      hit.score.toPrecision(3),
      safeLine(marked(hit), 120),
    ])
    output.answer(answer, table(['WHERE', 'SCORE', 'TEXT'], rows))
    if (rows.length === 0) output.note('nothing has these words')
    if (answer.cursor !== undefined) output.note(`there is more: --after ${safeId(answer.cursor, 400)}`)
  },
})

interface Marked {
  readonly snippet: string
  readonly marks: readonly { readonly from: number; readonly to: number }[]
}

function marked({ snippet, marks }: Marked): string {
  let text = ''
  let at = 0
  for (const { from, to } of marks) {
    text += `${snippet.slice(at, from)}[${snippet.slice(from, to)}]`
    at = to
  }
  return text + snippet.slice(at)
}
