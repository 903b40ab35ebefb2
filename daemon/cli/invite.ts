/** `moor invite`: a ticket that lets the first key that uses it in. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { grantLine } from './card.ts'
import { defineCommand } from './command.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { grantOption } from './grant-option.ts'
import { safeId } from './sanitize.ts'

const shape = controlProtocol.ops['invite.create'].input.shape

export const invite = defineCommand({
  name: 'invite',
  summary: 'Print a ticket that approves the first plugin that uses it',
  description: 'The ticket is a secret until it is used or expires: hand it over as you would a password.',
  args: [],
  options: [
    { name: 'grant', value: 'grant', isRepeatable: true, summary: 'what the plugin may do (repeatable, at least one)' },
    { name: 'name', value: 'name', summary: 'know the plugin by this name' },
    { name: 'expires', value: 'duration', summary: 'how long the ticket can be used (default: 10m)' },
  ],
  examples: [
    "moor invite --grant 'blocks:read:space:home/*'",
    "moor invite --name weather --grant 'blocks:write:space:home/weather' --grant ports:provide --expires 1h",
  ],
  input: z.object({
    grant: z.array(grantOption).min(1, 'is needed at least once').max(64),
    name: shape.name,
    expires: z
      .string()
      .default('10m')
      .transform((text) => parseDuration(text)),
  }),
  data: controlProtocol.ops['invite.create'].output,
  async run({ connect, call, output, clock }, { grant, name, expires }) {
    const answer = await (await connect()).invite.create(
      { grants: grant, ttlMs: expires, ...(name === undefined ? {} : { name }) },
      call(),
    )
    output.answer(answer, [safeId(answer.ticket, 8_192)])
    output.note(
      `works once, for ${formatDuration(answer.expiresAtMs - clock.nowMs())}; whoever uses it`,
      ...answer.grants.map((text) => `  ${grantLine(text)}`),
    )
  },
})
