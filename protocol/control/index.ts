/** What the command line asks of the daemon, over a local socket that only the operator can open. */
import { z } from 'zod'
import { bytes, type Client, defineOp, defineProtocol, defineStream } from '../define.ts'
import { limits } from '../limits.ts'
import { grantText, manifestSchema, pluginName } from '../manifest.ts'
import { address, blockMeta, blockSummary, changeHash, count, peerId, renderedBlock } from '../shapes.ts'

const words = z.string().max(64)
const multiaddrs = z.array(z.string().max(256))

const requestCard = z.strictObject({
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

const peerCard = z.strictObject({
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

const quarantinedChange = z.strictObject({
  hash: changeHash,
  address,
  /** Position in the log; the list goes on after it. */
  seq: count,
  peer: peerId,
  /** What the peer is known by; empty for one that nobody decided about. */
  name: z.string().max(64),
  reason: z.string(),
  /** The change in quarantine that it builds on; absent for one that fails by itself. */
  cause: changeHash.optional(),
  atMs: count,
})

/** A change by its hash, or by enough of its beginning. */
const hashPrefix = z.string().regex(/^[0-9a-f]{8,64}$/, 'the hash of a change, or at least 8 of its digits')

/** A peer by its name, its whole id, or the words of its key. */
const who = z.string().min(1).max(128)

export const controlProtocol = defineProtocol({
  id: '/mooring/control/1.0.0',
  dialledBy: 'operator',
  ops: {
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
    'block.list': defineOp({
      summary: 'All blocks, by address.',
      input: z.strictObject({
        after: z.string().max(256).default(''),
        limit: z.int().min(1).max(200).default(200),
      }),
      output: z.strictObject({ blocks: z.array(blockSummary), more: z.boolean() }),
      needs: null,
      errors: [],
    }),
    'block.show': defineOp({
      summary: 'One block, rendered, a page of its text at a time.',
      input: z.strictObject({ address, offset: count.default(0) }),
      output: renderedBlock,
      needs: null,
      errors: ['block-not-found', 'block-damaged', 'view-failed'],
    }),
    'block.compact': defineOp({
      summary: 'Folds the verified changes of a block into its snapshot, or says what would go.',
      input: z.strictObject({ address, dryRun: z.boolean().default(false) }),
      /** Rows of the log that went, or would go, and the bytes of their changes. */
      output: z.strictObject({ address, rows: count, bytes: count }),
      needs: null,
      errors: ['block-not-found', 'block-damaged', 'view-failed', 'database-corrupt', 'storage-failed', 'storage-full'],
    }),
    'block.reset-history': defineOp({
      summary: 'Begins a block anew with its present value: a new generation without the history of the old one.',
      input: z.strictObject({ address }),
      /** The new generation, its changes, and how many the old one had. */
      output: z.strictObject({ address, generation: count, changes: count, before: count }),
      needs: null,
      errors: [
        'block-not-found',
        'block-damaged',
        'wrong-state',
        'view-failed',
        'database-corrupt',
        'storage-failed',
        'storage-full',
      ],
    }),
    'block.update-metadata': defineOp({
      summary: 'Changes what is said of a block beside its content; what is not named stays.',
      input: z.strictObject({ address, patch: blockMeta }),
      /** All that is said of it then. */
      output: z.strictObject({ address, meta: blockMeta }),
      needs: null,
      errors: ['block-not-found', 'block-damaged', 'storage-failed', 'storage-full'],
    }),
    'quarantine.list': defineOp({
      summary: 'Changes that are kept and applied nowhere, in log order.',
      input: z.strictObject({ after: count.default(0), limit: z.int().min(1).max(200).default(200) }),
      output: z.strictObject({ changes: z.array(quarantinedChange), more: z.boolean() }),
      needs: null,
      errors: [],
    }),
    'quarantine.export': defineOp({
      summary: 'The bytes of a change in quarantine, as the plugin sent them.',
      input: z.strictObject({ change: hashPrefix }),
      output: z.strictObject({ change: quarantinedChange, bytes: bytes({ max: limits.maxChangeBytes }) }),
      needs: null,
      errors: ['change-not-found', 'database-corrupt'],
    }),
    'quarantine.release': defineOp({
      summary: 'Takes a change back in, and what was set aside because of it; it is verified again.',
      input: z.strictObject({ change: hashPrefix }),
      output: z.strictObject({ changes: z.array(changeHash) }),
      needs: null,
      errors: ['change-not-found', 'block-deleted', 'database-corrupt', 'storage-failed', 'storage-full'],
    }),
    'block.watch': defineStream({
      summary: 'A line for each group of changes of a block, as they become durable.',
      input: z.strictObject({ address }),
      item: z.strictObject({
        seq: count,
        changes: count,
        bytes: count,
        peer: peerId,
        name: z.string().max(64),
        atMs: count,
      }),
      needs: null,
      errors: ['block-not-found', 'lagging'],
    }),
  },
})

export type ControlClient = Client<typeof controlProtocol>
export type RequestCard = Awaited<ReturnType<ControlClient['request']['get']>>
export type PeerCard = Awaited<ReturnType<ControlClient['peer']['revoke']>>
export type QuarantinedCard = Awaited<ReturnType<ControlClient['quarantine']['list']>>['changes'][number]
export type StatusCard = Awaited<ReturnType<ControlClient['daemon']['status']>>
