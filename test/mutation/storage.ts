/** What keeps the promise that nothing acknowledged is lost, and that nothing damaged is taken for what was stored. */
import type { Mutation } from './gate.ts'

const checkpoint = 'test/unit/daemon/storage/sqlite-checkpoint.test.ts'
const damage = 'test/e2e/storage-damage.test.ts'

export const storageMutations: readonly Mutation[] = [
  {
    name: 'fsync-daemon',
    promise: 'a commit of the daemon survives a power cut',
    edits: [
      {
        file: 'daemon/storage/sqlite-open.ts',
        find: "db.pragma('synchronous = FULL')",
        replace: "db.pragma('synchronous = NORMAL')",
      },
      { file: 'daemon/storage/sqlite-open.ts', find: 'if (synchronous !== 2) throw', replace: 'if (false) throw' },
    ],
    tests: [
      {
        file: 'test/e2e/storage-durability.test.ts',
        title: 'writes with synchronous=FULL into a write-ahead log, and trusts nothing in the file',
      },
    ],
  },
  {
    name: 'fsync-replica',
    promise: 'what a plugin calls saved survives a power cut',
    edits: [
      {
        file: 'plugin-sdk/memory/sqlite-file.ts',
        find: "db.pragma('synchronous = FULL')",
        replace: "db.pragma('synchronous = NORMAL')",
      },
      { file: 'plugin-sdk/memory/sqlite-file.ts', find: 'if (synchronous !== 2) throw', replace: 'if (false) throw' },
    ],
    tests: [{ file: 'test/unit/plugin-sdk/memory/sqlite-file.test.ts', title: 'is durable at every commit' }],
  },
  {
    name: 'checkpoint-daemon',
    promise: 'a disk that fails while the write-ahead log is folded back ends the daemon',
    edits: [
      {
        file: 'daemon/storage/sqlite-checkpoint.ts',
        find: 'else this.#init.onFailure(error)',
        replace: 'else void error',
      },
    ],
    tests: [{ file: checkpoint, title: 'tells of a disk that fails' }],
  },
  {
    name: 'checkpoint-replica',
    promise: 'a plugin calls nothing saved after its disk failed while the write-ahead log was folded back',
    edits: [
      {
        file: 'plugin-sdk/memory/sqlite-checkpoint.ts',
        find: 'if (!isFull(error)) this.#init.onFailure(error)',
        replace: 'void error',
      },
    ],
    tests: [{ file: checkpoint, title: 'tells of a disk that fails' }],
  },
  {
    name: 'row-checksum',
    promise: 'a damaged change is never served',
    edits: [
      {
        file: 'daemon/storage/sqlite-sum.ts',
        find: 'fits(row.sum, () => changeSum(row))',
        replace: 'fits(row.sum, () => changeSum(row)) || true',
      },
    ],
    tests: [{ file: damage, title: 'is passed over, is reported once and never served' }],
  },
  {
    name: 'snapshot-checksum',
    promise: 'a damaged snapshot is never served',
    edits: [{ file: 'daemon/storage/sqlite-reads.ts', find: 'if (!isSoundSnapshot(row))', replace: 'if (false)' }],
    tests: [{ file: damage, title: 'is not served as a snapshot either' }],
  },
  {
    name: 'grant-checksum',
    promise: 'a grant that rotted on the disk permits nothing',
    edits: [
      { file: 'daemon/storage/sqlite-row-sum.ts', find: 'row.sum === rowSum(table, row)', replace: 'row.sum !== null' },
    ],
    tests: [
      { file: 'test/e2e/approval-damage.test.ts', title: 'that is wider lets nobody in, and nobody else is kept out' },
    ],
  },
  {
    name: 'replica-row-checksum',
    promise: 'a bit that turned in the store of a plugin does not become content',
    edits: [
      {
        file: 'plugin-sdk/memory/sqlite-tables.ts',
        find: '    return readChange(bytes)\n',
        replace: "    return { hash: '' } as ChangeFacts\n",
      },
    ],
    tests: [
      {
        file: 'test/unit/plugin-sdk/memory/sqlite-store.test.ts',
        title: 'with a flipped bit in a change gives an error and not another text',
      },
    ],
  },
  {
    name: 'fold-verified',
    promise: 'no row goes that was not verified',
    edits: [
      {
        file: 'daemon/storage/sqlite-writes.ts',
        find: "        [this.#verifiedSeq(block), 'not verified'],\n",
        replace: '',
      },
    ],
    tests: [
      {
        file: 'test/compliance/storage-sqlite.test.ts',
        title: 'refuses what neither a snapshot nor the verified position reaches, and an unknown block',
      },
    ],
  },
  {
    name: 'fold-read-back',
    promise: 'rows go only after what was read back of their snapshot became a document again',
    edits: [
      {
        file: 'daemon/views/view-engine.ts',
        find: '({ block, seq, bytes, heads, changes }) => this.#replace(block, seq, () => loadSaved(bytes, heads, changes)),',
        replace: '() => undefined,',
      },
    ],
    tests: [
      {
        file: 'test/network/compaction.test.ts',
        title: 'keeps its rows when what is read back of the snapshot is not what was stored',
      },
    ],
  },
  {
    name: 'ack-after-commit',
    promise: 'what is acknowledged is durable',
    edits: [
      {
        file: 'daemon/log/ingest.ts',
        find: 'outcomes = await committer.submit(entries)',
        replace: 'outcomes = (void committer.submit(entries).catch(() => {}), [])',
      },
    ],
    tests: [
      {
        file: 'test/network/durable-first.test.ts',
        title: 'is not acknowledged, and nobody else sees it, before it is durable',
      },
    ],
  },
  {
    name: 'visible-after-commit',
    promise: 'nobody sees a change that is not durable',
    edits: [
      {
        file: 'daemon/log/committer.ts',
        find: 'const outcomes = await this.#components.storage.append(entries)',
        replace:
          'const appending = this.#components.storage.append(entries); this.#publish(entries, entries.map((_, at) => ({ kind: "stored", seq: this.#published + 1 + at }))); const outcomes = await appending',
      },
    ],
    tests: [
      {
        file: 'test/network/durable-first.test.ts',
        title: 'is not acknowledged, and nobody else sees it, before it is durable',
      },
    ],
  },
]
