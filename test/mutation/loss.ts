/** What keeps the promise that nothing acknowledged is lost when one of the two is away, ends, is copied or is set back. */
import type { Mutation } from './gate.ts'

const durable = 'test/network/durable.test.ts'
const stops = 'test/network/plugin-stops.test.ts'
const recovery = 'test/network/recovery.test.ts'

export const lossMutations: readonly Mutation[] = [
  {
    name: 'stray-writes',
    promise: 'what is written to a draft after its edit gets into no change',
    edits: [
      {
        file: 'plugin-sdk/memory/document.ts',
        find: 'if (this.isEditing || A.getBackend(doc).pendingOps() === 0) return doc',
        replace: 'if (doc !== undefined) return doc',
      },
    ],
    tests: [
      {
        file: 'test/network/stray-writes.test.ts',
        title: 'is refused at once, and neither what it did nor what it does later has an effect',
      },
    ],
  },
  {
    name: 'resend-stored',
    promise: 'what a process wrote down and could not send is sent by the next one',
    edits: [
      {
        file: 'plugin-sdk/memory/own-changes.ts',
        find: 'this.#unsettled = unsettledOf(stored.changes)',
        replace: 'this.#unsettled = []',
      },
    ],
    tests: [{ file: durable, title: 'is resent once when the process died between writing it down and sending it' }],
  },
  {
    name: 'deliver-at-stop',
    promise: 'a plugin that stops delivers first what it has',
    edits: [
      {
        file: 'plugin-sdk/memory/index.ts',
        find: 'beforeStop: () => replica.entries.flushed(),',
        replace: 'beforeStop: async () => {},',
      },
    ],
    tests: [{ file: stops, title: 'is told that all of it is at the daemon while it is connected' }],
  },
  {
    name: 'tell-at-stop',
    promise: 'who waits for the daemon is told when nothing more will be settled',
    edits: [{ file: 'plugin-sdk/memory/entries.ts', find: 'entry.loaded?.handle.end()', replace: '' }],
    tests: [{ file: stops, title: 'is told of what nobody keeps, and takes no more' }],
  },
  {
    name: 'shortfall',
    promise: 'a replica that was set back becomes another one',
    edits: [
      {
        file: 'plugin-sdk/memory/replica.ts',
        find: 'onShortfall: () => init.onShortfall?.(),',
        replace: 'onShortfall: () => {},',
      },
    ],
    tests: [{ file: durable, title: 'is noticed when it is put in the place of the newer one, and loses nothing' }],
  },
  {
    name: 'replica-in-use',
    promise: 'two processes are never taken for one replica',
    edits: [{ file: 'daemon/net/links.ts', find: "throw new MooringError('replica-in-use')", replace: '' }],
    tests: [
      {
        file: 'test/unit/daemon/net/links.test.ts',
        title: 'refuses another process that uses the replica of a live one',
      },
    ],
  },
  {
    name: 'send-again',
    promise: 'a daemon that lost what it had acknowledged, and does not know it, is sent it again',
    edits: [
      {
        file: 'plugin-sdk/memory/intake.ts',
        find: 'if (isFirst) entry.loaded?.block.unsettleBeyond(held)',
        replace: '',
      },
    ],
    tests: [{ file: recovery, title: 'does not know of it, and gets it from its author, who says what it has' }],
  },
  {
    name: 'resupply',
    promise: 'what the log lost and a reader holds comes back without its author',
    edits: [{ file: 'daemon/log/resupply.ts', find: 'if (beyond.size === 0) return', replace: 'if (true) return' }],
    tests: [{ file: 'test/network/supply.test.ts', title: 'gets it from a reader, and its author finds it there' }],
  },
  {
    name: 'loss-told',
    promise: 'a store that lost its end is not taken for a whole one in silence',
    edits: [
      {
        file: 'daemon/log/conversation.ts',
        find: 'this.#log.losses.check(frame.cursor, frame.seen, this.#init)',
        replace: '',
      },
    ],
    tests: [
      {
        file: 'test/network/scenarios.test.ts',
        title: 'is noticed, said once, and made good by the plugins that hold what it lost',
      },
    ],
  },
  {
    name: 'snapshot-for-the-late',
    promise: 'who was away for longer than the log goes back gets what is no row any more',
    edits: [
      {
        file: 'daemon/log/block-content.ts',
        find: 'await sender.snapshot(block, stored.bytes, (bytes) => sender.progress.sent(bytes * changesPerByte, bytes))',
        replace: '',
      },
    ],
    tests: [
      {
        file: 'test/network/compaction.test.ts',
        title: 'is what it was, for who is there, who comes, and after a restart',
      },
    ],
  },
  {
    name: 'deleted-stays',
    promise: 'a block that was deleted is not made again by who was away',
    edits: [
      {
        file: 'plugin-sdk/memory/asking.ts',
        find: 'if (generation === undefined || isWantedAnew) return { meta: wanted }',
        replace: 'if (1 > 0) return { meta: wanted }',
      },
    ],
    tests: [{ file: recovery, title: 'is not made again by it, and what was written for it is kept aside' }],
  },
  {
    name: 'directory-lock',
    promise: 'one directory has one daemon',
    edits: [{ file: 'daemon/storage/sqlite-open.ts', find: "lock.exec('BEGIN EXCLUSIVE')", replace: '' }],
    tests: [
      {
        file: 'test/e2e/storage-lock.test.ts',
        title: 'is refused to a second store of the same process, and the first one goes on',
      },
    ],
  },
]
