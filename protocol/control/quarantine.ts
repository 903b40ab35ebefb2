/** Changes that are kept and applied nowhere. */
import { z } from 'zod'
import { bytes, defineOp } from '../define.ts'
import { limits } from '../limits.ts'
import { address, changeHash, count, peerId } from '../shapes.ts'

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

export const quarantineOps = {
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
}
