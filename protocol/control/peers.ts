/** The keys that were decided about. */
import { z } from 'zod'
import { defineOp } from '../define.ts'
import { grantText } from '../manifest.ts'
import { peerCard } from './cards.ts'

/** A peer by its name, its whole id, or the words of its key. */
const who = z.string().min(1).max(128)

export const peerOps = {
  'peer.list': defineOp({
    summary: 'Every key that was ever decided about, by peer id, and whether it is connected.',
    input: z.strictObject({
      /** Peer ids after this one; the last of a page is the next page's `after`. */
      after: z.string().max(64).default(''),
      // Up to 64 grants of 256 characters each: a page must fit a frame.
      limit: z.int().min(1).max(8).default(8),
    }),
    output: z.strictObject({ peers: z.array(peerCard), more: z.boolean() }),
    needs: null,
    errors: [],
  }),
  'peer.revoke': defineOp({
    summary: 'Cuts every connection of a key, at once, and keeps it out.',
    input: z.strictObject({ who }),
    output: peerCard,
    needs: null,
    errors: ['peer-not-found', 'wrong-state', 'storage-failed', 'storage-full'],
  }),
  'peer.narrow': defineOp({
    summary: 'Replaces what a key may do by less; its connections are cut and come back with the new grant.',
    input: z.strictObject({ who, grants: z.array(grantText).max(64) }),
    output: peerCard,
    needs: null,
    errors: ['peer-not-found', 'wrong-state', 'grant-not-requested', 'storage-failed', 'storage-full'],
  }),
  'peer.release': defineOp({
    summary: 'Lets a plugin write again that was suspended for a change that was set aside.',
    input: z.strictObject({ who }),
    output: peerCard,
    needs: null,
    errors: ['peer-not-found', 'wrong-state', 'storage-failed', 'storage-full'],
  }),
  'peer.wait': defineOp({
    summary: 'Answers once the named plugin is welcomed.',
    input: z.strictObject({ who }),
    output: peerCard,
    needs: null,
    errors: ['timeout'],
  }),
}
