/** Small things a daemon does for every plugin. */
import { z } from 'zod'
import { defineOp } from '../define.ts'
import { limits } from '../limits.ts'

export const daemonOps = {
  'daemon.echo': defineOp({
    summary: 'Answers with what it was sent: proves the path there and back.',
    input: z.strictObject({ text: z.string().max(1_000) }),
    output: z.strictObject({ text: z.string().max(1_000) }),
    needs: null,
    errors: [],
  }),
  'log.write': defineOp({
    summary: "Adds a line to the daemon's log under the plugin's name.",
    input: z.strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']),
      text: z.string().max(limits.maxLogLineChars),
    }),
    output: z.strictObject({}),
    needs: null,
    errors: ['rate-limited'],
  }),
}
