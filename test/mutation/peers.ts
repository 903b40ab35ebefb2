/** What keeps the promise that nothing unapproved has any effect, and that what was shown is what was approved. */
import type { Mutation } from './gate.ts'

const links = 'test/unit/daemon/net/links.test.ts'

export const peerMutations: readonly Mutation[] = [
  {
    name: 'digest',
    promise: 'what the operator saw is what was approved',
    edits: [
      {
        file: 'daemon/approvals/decisions.ts',
        find: "if (approval.digest !== request.digest) throw new MooringError('digest-mismatch')",
        replace: '',
      },
      {
        file: 'daemon/storage/decision.ts',
        find: "if (request.digest !== wanted.digest) throw new MooringError('digest-mismatch')",
        replace: '',
      },
    ],
    tests: [
      {
        file: 'test/unit/daemon/approvals/decisions.test.ts',
        title: 'with another digest is refused and leaves the request open',
      },
    ],
  },
  {
    name: 'digest-in-commit',
    promise: 'a request that changed between the look and the write is not approved',
    edits: [
      {
        file: 'daemon/storage/decision.ts',
        find: "if (request.digest !== wanted.digest) throw new MooringError('digest-mismatch')",
        replace: '',
      },
    ],
    tests: [{ file: 'test/compliance/storage-memory.test.ts', title: 'refuses another digest' }],
  },
  {
    name: 'invite-once',
    promise: 'an invite lets one key in',
    edits: [
      {
        file: 'daemon/approvals/admission.ts',
        find: 'row.claimedBy === undefined &&',
        replace: '',
      },
      {
        file: 'daemon/storage/decision.ts',
        find: '(invite.claimedBy !== undefined && invite.claimedBy !== wanted.claimedBy)',
        replace: 'wanted.claimedBy === undefined',
      },
    ],
    tests: [{ file: 'test/unit/daemon/approvals/invites.test.ts', title: 'is for one key' }],
  },
  {
    name: 'invite-once-in-commit',
    promise: 'an invite that two keys claim at the same moment lets one of them in',
    edits: [
      {
        file: 'daemon/storage/decision.ts',
        find: '(invite.claimedBy !== undefined && invite.claimedBy !== wanted.claimedBy)',
        replace: 'wanted.claimedBy === undefined',
      },
    ],
    tests: [
      { file: 'test/compliance/storage-memory.test.ts', title: 'gives a contested invite to exactly one of two keys' },
    ],
  },
  {
    name: 'granted-within-asked',
    promise: 'an approval gives no more than was asked',
    edits: [
      {
        file: 'daemon/approvals/decisions.ts',
        find: "if (!covers(request.wants.map(parseGrant), given)) throw new MooringError('grant-not-requested')",
        replace: '',
      },
    ],
    tests: [
      {
        file: 'test/unit/daemon/approvals/incidents.test.ts',
        title:
          'a second path to an approval without the limit of the first: more than was asked, by request or by invite',
      },
    ],
  },
  {
    name: 'cut-connections',
    promise: 'a revocation ends every connection of the key before it is answered',
    edits: [
      {
        file: 'daemon/net/links.ts',
        find: 'for (const link of [...this.#links.values()]) if (link.peer === peer) link.end(code)',
        replace: 'void [peer, code]',
      },
    ],
    tests: [{ file: links, title: 'resets every connection of the peer before it returns, and no other' }],
  },
  {
    name: 'heartbeat',
    promise: 'a link that went silent ends, also when nothing says so',
    edits: [
      {
        file: 'daemon/net/links.ts',
        find: "else void link.endAfterFlush('heartbeat-lost')",
        replace: 'else this.#watchBeats(session, graceMs, true)',
      },
    ],
    tests: [{ file: links, title: 'lives on beats, and ends within seven seconds of the last' }],
  },
]
