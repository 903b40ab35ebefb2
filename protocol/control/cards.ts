/** What people are shown of a request and of a key. */
import { z } from 'zod'
import { grantText, manifestSchema, pluginName } from '../manifest.ts'
import { count, peerId } from '../shapes.ts'

/** Five words of a key. */
export const words = z.string().max(64)

export const requestCard = z.strictObject({
  code: z.string().max(16),
  /** Binds what was shown: approving names it again. */
  digest: z.string().length(64),
  state: z.enum(['pending', 'approved', 'denied', 'expired', 'superseded']),
  peer: peerId,
  words,
  manifest: manifestSchema,
  wants: z.array(grantText),
  /** Grants that the key holds already. */
  holds: z.array(grantText),
  /** Where the connection came from. */
  from: z.string().max(256),
  /** The name it will be known by unless another is chosen. */
  name: pluginName,
  createdAtMs: count,
  expiresAtMs: count,
})

export const peerCard = z.strictObject({
  peer: peerId,
  words,
  name: pluginName,
  state: z.enum(['approved', 'denied', 'revoked']),
  grants: z.array(grantText),
  grantVersion: count,
  /** Why it may not write at present; absent when it may. */
  suspended: z.string().optional(),
  /** Welcomed connections at this moment. */
  sessions: z.array(z.strictObject({ from: z.string().max(256), sinceMs: count, version: z.string().max(32) })),
  decidedAtMs: count,
})
