/** Requests for approval and invites. */
import { z } from 'zod'
import { defineOp } from '../define.ts'
import { grantText, pluginName } from '../manifest.ts'
import { count } from '../shapes.ts'
import { peerCard, requestCard } from './cards.ts'

export const requestOps = {
  'request.list': defineOp({
    summary: 'Open requests for approval, by code.',
    input: z.strictObject({
      /** Codes after this one; the last of a page is the next page's `after`. */
      after: z.string().max(16).default(''),
      // A manifest and its wants may take several KiB each: a page must fit a frame.
      limit: z.int().min(1).max(16).default(16),
    }),
    output: z.strictObject({ requests: z.array(requestCard), more: z.boolean() }),
    needs: null,
    errors: [],
  }),
  'request.get': defineOp({
    summary: 'One request by its code.',
    input: z.strictObject({ code: z.string().max(16) }),
    output: requestCard,
    needs: null,
    errors: ['request-not-found'],
  }),
  'request.approve': defineOp({
    summary: 'Grants what a request asked for, or less. The digest is that of the request as it was shown.',
    input: z.strictObject({
      code: z.string().max(16),
      digest: z.string().length(64),
      /** Absent: everything that was asked. */
      grants: z.array(grantText).max(64).optional(),
      /** Absent: the name on the card. */
      name: pluginName.optional(),
    }),
    output: peerCard,
    needs: null,
    errors: [
      'request-not-found',
      'request-decided',
      'request-expired',
      'request-superseded',
      'digest-mismatch',
      'grant-not-requested',
      'name-taken',
      'wrong-state',
      'storage-failed',
      'storage-full',
    ],
  }),
  'request.deny': defineOp({
    summary: 'Denies a request.',
    input: z.strictObject({ code: z.string().max(16) }),
    output: requestCard,
    needs: null,
    errors: ['request-not-found', 'request-decided', 'request-expired', 'request-superseded'],
  }),
  'invite.create': defineOp({
    summary: 'A ticket whose secret approves the first key that claims it.',
    input: z.strictObject({
      grants: z.array(grantText).min(1).max(64),
      name: pluginName.optional(),
      ttlMs: z
        .int()
        .min(1_000)
        .max(30 * 86_400_000),
    }),
    output: z.strictObject({ ticket: z.string(), expiresAtMs: count, grants: z.array(grantText) }),
    needs: null,
    errors: ['name-taken'],
  }),
}
