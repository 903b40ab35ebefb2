/** How a plugin enters, and what it may ask about itself. */
import { z } from 'zod'
import { bytes, defineOp, defineStream } from '../define.ts'
import { grantText, manifestSchema, pluginName } from '../manifest.ts'
import { count, instanceId, peerId, replicaId, sessionId } from '../shapes.ts'

const pendingRequest = z.strictObject({
  /** What the operator types: `moor approve CODE`. */
  code: z.string().max(16),
  /** Five words of this plugin's key, as the operator sees them. */
  words: z.string().max(64),
  expiresAtMs: count,
})

export const sessionOps = {
  'session.hello': defineStream({
    summary: 'Begins every connection: says who is there and what it wants; answers until the connection ends.',
    input: z.strictObject({
      /** Protocol versions the caller speaks, newest first. */
      versions: z.array(z.string().max(16)).min(1).max(8),
      manifest: manifestSchema,
      replica: replicaId,
      instance: instanceId,
      /** The one-time secret of a ticket. */
      invite: bytes({ min: 16, max: 64 }).optional(),
    }),
    item: z.discriminatedUnion('state', [
      /** The operator has not decided yet. */
      z.strictObject({ state: z.literal('pending'), ...pendingRequest.shape }),
      /** Everything else may be used from now on. */
      z.strictObject({
        state: z.literal('welcome'),
        session: sessionId,
        daemon: peerId,
        /** The name the operator's side knows this plugin by. */
        name: pluginName,
        grants: z.array(grantText),
        grantVersion: count,
        version: z.string().max(16),
        /** Present when the manifest asks for more than was ever decided: the difference waits for the operator. */
        request: pendingRequest.optional(),
      }),
      /** The grant was widened while connected. */
      z.strictObject({ state: z.literal('granted'), grants: z.array(grantText), grantVersion: count }),
    ]),
    needs: null,
    errors: [
      'version-mismatch',
      'approval-denied',
      'request-expired',
      'request-superseded',
      'revoked',
      'invite-invalid',
      'lobby-full',
      'replica-in-use',
      'replica-limit',
      'superseded',
      'heartbeat-lost',
      'daemon-stopping',
    ],
  }),
  'session.self': defineOp({
    summary: 'What the daemon knows about the caller.',
    input: z.strictObject({}),
    output: z.strictObject({
      peer: peerId,
      name: pluginName,
      grants: z.array(grantText),
      grantVersion: count,
      daemon: peerId,
    }),
    needs: null,
    errors: [],
  }),
}
