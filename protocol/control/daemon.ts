/** What the operator asks about the daemon as a whole. */
import { z } from 'zod'
import { defineOp } from '../define.ts'
import { count, peerId } from '../shapes.ts'
import { words } from './cards.ts'

const multiaddrs = z.array(z.string().max(256))

export const daemonOps = {
  'session.hello': defineOp({
    summary: 'Begins every control connection with the token of the token file.',
    input: z.strictObject({ token: z.string().max(128) }),
    output: z.strictObject({ version: z.string().max(32) }),
    needs: null,
    errors: ['control-denied'],
  }),
  'daemon.status': defineOp({
    summary: 'The card: key, words, addresses, places, counts.',
    input: z.strictObject({}),
    output: z.strictObject({
      version: z.string().max(32),
      pid: count,
      peer: peerId,
      words,
      addresses: multiaddrs,
      stateDir: z.string(),
      startedAtMs: count,
      /** True while the key has never been used by an earlier start. */
      firstStart: z.boolean(),
      state: z.enum(['running', 'stopping']),
      plugins: z.strictObject({ approved: count, live: count }),
      requests: count,
      blocks: count,
      changes: count,
      /** Changes in quarantine, and plugins that may not write because of one. */
      quarantined: count,
      suspended: count,
      /** Some of those plugins, by peer id, and why; `peer.list` has all of them. */
      suspensions: z.array(z.strictObject({ peer: peerId, name: z.string().max(64), reason: z.string() })).max(8),
      /** Things on the disk that are not as they were written. */
      damaged: count,
      /** Some of them, and what to do about each; the log names all. */
      damages: z.array(z.strictObject({ what: z.string().max(600), next: z.string().max(200) })).max(8),
    }),
    needs: null,
    errors: [],
  }),
  'daemon.stop': defineOp({
    summary: 'Stops the daemon after what it has accepted is durable.',
    input: z.strictObject({}),
    output: z.strictObject({}),
    needs: null,
    errors: [],
  }),
}
