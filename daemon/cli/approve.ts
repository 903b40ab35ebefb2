/**
 * `moor approve`: shows a request and grants it. Keeps true: what is granted is what was shown (its digest is sent back),
 * to the key that was shown, and only after a person or `--yes` said so.
 */
import { z } from 'zod'
import { controlProtocol, type ErrorCode, MooringError, type PeerCard, type RequestCard } from '../../protocol/index.ts'
import { peerLines, requestLines } from './card.ts'
import { type CommandContext, defineCommand } from './command.ts'
import { CommandError } from './failure.ts'
import { grantOption } from './grant-option.ts'
import { keyOf, safeId } from './sanitize.ts'

// The exact shapes of the operation, so that a wrong grant or name is refused before anything is asked.
const shape = controlProtocol.ops['request.approve'].input.shape

export const approve = defineCommand({
  name: 'approve',
  summary: 'Look at a request, then grant what it asks for or less',
  description: 'Shows who asks, from where and for what, then asks you. Without a terminal it needs --yes.',
  args: [{ name: 'code', summary: 'code of the request, from moor requests' }],
  options: [
    { name: 'grant', value: 'grant', isRepeatable: true, summary: 'grant only this, of what was asked (repeatable)' },
    { name: 'name', value: 'name', summary: 'know the plugin by this name' },
    {
      name: 'expect-key',
      value: 'key',
      summary: 'refuse unless the key is this one: whole peer id, or key as it is shown',
    },
  ],
  examples: [
    'moor approve K7WQ2M',
    'moor approve K7WQ2M --grant blocks:read:space:home/notes',
    'moor approve K7WQ2M --expect-key 12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5 --yes --json',
  ],
  input: z.object({
    code: shape.code.min(1),
    grant: z.array(grantOption).max(64).default([]),
    name: shape.name,
    expectKey: z.string().min(1).max(128).optional(),
  }),
  data: controlProtocol.ops['request.approve'].output,
  async run(context, { code, grant, name, expectKey }) {
    const { connect, call, output, clock } = context
    const client = await connect()
    const card = await client.request.get({ code }, call())
    const giving = { name: name ?? card.name, grants: grant.length === 0 ? card.wants : grant }
    output.show(...requestLines(card, giving, clock.nowMs()))
    checkOpen(card, clock.nowMs())
    checkKey(card, expectKey)
    await askPerson(context, card)
    const peer = await client.request.approve(
      {
        code: card.code,
        digest: card.digest,
        ...(grant.length === 0 ? {} : { grants: grant }),
        // What was shown, always: the daemon's own choice may have changed since.
        name: giving.name,
      },
      call(),
    )
    output.answer(peer, peerLines(peer))
    output.note(`undo: moor revoke ${safeId(peer.name, 64)}`)
  },
})

const closed: Readonly<Record<Exclude<RequestCard['state'], 'pending'>, ErrorCode>> = {
  approved: 'request-decided',
  denied: 'request-decided',
  expired: 'request-expired',
  superseded: 'request-superseded',
}

/** The daemon checks it as well; here, so that nobody is asked in vain. */
function checkOpen({ state, expiresAtMs }: RequestCard, nowMs: number): void {
  const now = state === 'pending' && nowMs >= expiresAtMs ? 'expired' : state
  if (now === 'pending') return
  throw new MooringError(closed[now], closed[now] === 'request-decided' ? { detail: `it was ${now}` } : {})
}

/** The whole id, or words and end together: either alone is short enough for someone to make a key that has it too. */
function checkKey(card: RequestCard, expected: string | undefined): void {
  if (expected === undefined || expected === card.peer || expected === keyOf(card.peer)) return
  throw new CommandError('key-mismatch', {
    detail: `the request comes from ${keyOf(card.peer)}; nothing was approved`,
    next: `moor deny ${safeId(card.code, 16)}`,
  })
}

async function askPerson(context: CommandContext<PeerCard>, card: RequestCard): Promise<void> {
  if (context.isYes) return
  const code = safeId(card.code, 16)
  if (!context.canAsk) {
    throw new CommandError('approval-needed', {
      detail: 'there is no terminal to ask on',
      next: `moor approve ${code} --expect-key ${safeId(card.peer)} --yes`,
    })
  }
  if (await context.confirm(`Approve ${keyOf(card.peer)}?`)) return
  throw new CommandError('approval-needed', {
    detail: 'not approved; the request stays open',
    next: `moor deny ${code}`,
  })
}
