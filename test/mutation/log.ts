/** What keeps the log whole, honest and cheap: the checks on the way in, and what is sent on the way out. */
import type { Mutation } from './gate.ts'

const forged = 'test/network/forged-generations.test.ts'
const schemas = 'test/network/schemas.test.ts'
const restored = 'test/network/restored-generations.test.ts'
const rules = 'test/network/log-rules.test.ts'
const supply = 'test/network/supply.test.ts'
const sync = 'test/network/sync.test.ts'
const credit = 'test/unit/protocol/sync/credit.test.ts'

export const logMutations: readonly Mutation[] = [
  {
    name: 'set-back-cursor',
    promise: 'who has read further than a block was set back is asked what it holds of it',
    edits: [
      {
        file: 'daemon/log/opening.ts',
        find: 'return index.isSetBackAfter(cursor.seq, watches.matcher()) ? undefined : cursor.seq',
        replace: 'return cursor.seq',
      },
    ],
    tests: [
      {
        file: 'test/network/damage.test.ts',
        title: 'that nobody holds leaves what does not build on it, and is back as soon as somebody brings it',
      },
    ],
  },
  {
    name: 'options-room',
    promise: 'what blocks say of their content is bounded for each peer, because it is in memory',
    edits: [
      {
        file: 'daemon/log/options-room.ts',
        find: 'if (more <= 0 || (',
        replace: 'if (1 > 0 || (',
      },
    ],
    tests: [
      {
        file: schemas,
        title:
          'have room for each peer that makes blocks, counted while they are made, and given back when they are shorter',
      },
    ],
  },
  {
    name: 'section-places',
    promise: 'a section stays where it is, because its place says what is in it',
    edits: [
      {
        file: 'daemon/log/options-room.ts',
        find: 'checkOptions(schema, patch.options, meta.options)',
        replace: 'checkOptions(schema, patch.options)',
      },
    ],
    tests: [{ file: schemas, title: 'keeps its sections where they are: others come behind them' }],
  },
  {
    name: 'lost-number',
    promise: 'nothing else is taken under the number of a lost change',
    edits: [
      {
        file: 'daemon/log/ingest.ts',
        find: "if (missing.isOther(block, fact)) throw new MooringError('equivocation')",
        replace: '',
      },
    ],
    tests: [{ file: 'test/network/damage.test.ts', title: 'is not replaced by another under its number' }],
  },
  {
    name: 'waiting-kept',
    promise: 'a sound change that builds on a lost one is kept',
    edits: [
      {
        file: 'daemon/storage/sqlite-repairs.ts',
        find: 'if (row !== undefined && isSoundChange(row)) {',
        replace: 'if (row === undefined) {',
      },
    ],
    tests: [
      {
        file: 'test/compliance/storage-sqlite.test.ts',
        title: 'is what is left of it, and the rest waits apart from the log',
      },
    ],
  },
  {
    name: 'change-checksum',
    promise: 'a change that was damaged on its way is not taken',
    edits: [
      {
        file: 'protocol/sync/change-structure.ts',
        find: "  if (!hash.startsWith(hexOf(chunk, checksumAt, typeAt))) refuse('checksum')\n",
        replace: '',
      },
    ],
    tests: [{ file: 'test/unit/protocol/sync/change-structure.test.ts', title: 'checksum: refuses checksum byte 4' }],
  },
  {
    name: 'actor-owner',
    promise: "nobody writes under another's name",
    edits: [
      {
        file: 'daemon/log/authorship.ts',
        find: "if (!ownsActor(self, owner, actor)) throw new MooringError('actor-not-owned')",
        replace: '',
      },
    ],
    tests: [{ file: rules, title: "refuses a change under another peer's actor, and the owner still writes" }],
  },
  {
    name: 'tip-signature',
    promise: 'a change keeps its author wherever it is relayed or restored from',
    edits: [
      {
        file: 'daemon/log/authorship.ts',
        find: 'if (!verifyTip(this.owner(actor), signed, tip.signature)) throw',
        replace: 'if (false) throw',
      },
    ],
    tests: [
      { file: rules, title: 'refuses a tip that its author did not sign' },
      { file: rules, title: 'refuses a signature made for another block' },
    ],
  },
  {
    name: 'supplied-chain',
    promise: 'nobody puts a change of his own before one that another signed',
    edits: [{ file: 'daemon/log/ingest.ts', find: 'if (!authorship.covers(fact))', replace: 'if (false)' }],
    tests: [{ file: supply, title: 'are refused when an invented change stands before one that its author signed' }],
  },
  {
    name: 'supplied-author',
    promise: 'nothing of a revoked author becomes durable, whoever brings it',
    edits: [
      {
        file: 'daemon/log/authorship.ts',
        find: "if (grant === undefined || !allows(grant.grants, { area: 'blocks', right: 'write', subject: row.address })) {",
        replace: 'if (grant === undefined) {',
      },
    ],
    tests: [{ file: supply, title: 'are refused in the name of one who may not write by now, until it may again' }],
  },
  {
    name: 'tip-signature-received',
    promise: 'a plugin sees no author that did not sign',
    edits: [
      {
        file: 'plugin-sdk/memory/tips.ts',
        find: 'if (!ownsActor(daemon, tip.peer, tip.actor) || !verifyTip(tip.peer, signed, tip.signature)) {',
        replace: 'if (signed === undefined) {',
      },
    ],
    tests: [{ file: 'test/unit/plugin-sdk/memory/tips.test.ts', title: 'is refused unless its author signed it' }],
  },
  {
    name: 'grant-version',
    promise: 'nothing is durable that was checked under a grant that is over',
    edits: [
      {
        file: 'daemon/storage/append-plan.ts',
        find: 'return this.#versions.get(peer) === grantVersion',
        replace: 'return true || grantVersion',
      },
    ],
    tests: [{ file: rules, title: 'stores nothing that was checked under the older version' }],
  },
  {
    name: 'equivocation',
    promise: 'one actor does not tell two stories',
    edits: [
      {
        file: 'daemon/log/ingest.ts',
        find: "if (ledger.maxOpOf(fact.hash) === undefined) throw new MooringError('equivocation')",
        replace: '',
      },
    ],
    tests: [{ file: rules, title: 'refuses two different changes with one sequence number' }],
  },
  {
    name: 'ops-per-frame',
    promise: 'a small frame does not expand to more work than a frame may be',
    edits: [
      {
        file: 'daemon/log/frame-reading.ts',
        find: 'if (ops > limits.maxOpsPerFrame) throw',
        replace: 'if (false) throw',
      },
    ],
    tests: [{ file: rules, title: 'refuses a frame whose changes have more operations together than the cap' }],
  },
  {
    name: 'ops-per-block',
    promise: 'a block stays one that its readers can load',
    edits: [
      {
        file: 'protocol/sync/admit.ts',
        find: 'if (block.ops + facts.ops > limits.maxOpsPerBlock) {',
        replace: 'if (false) {',
      },
    ],
    tests: [{ file: 'test/unit/protocol/sync/admit.test.ts', title: 'refuses more operations than a block may have' }],
  },
  {
    name: 'bytes-per-block',
    promise: 'a block holds no more than a document of it can be made',
    edits: [
      {
        file: 'daemon/log/placement.ts',
        find: 'ledger.content + fact.content > quotas.maxBytesPerBlock',
        replace: 'false',
      },
    ],
    tests: [
      { file: 'test/network/quotas.test.ts', title: 'holds at most maxBytesPerBlock bytes in its changes' },
      { file: 'test/unit/daemon/log/placement.test.ts', title: 'holds so many bytes, and what takes none may go on' },
    ],
  },
  {
    name: 'bytes-per-peer',
    promise: 'one peer does not fill the disk for all',
    edits: [
      {
        file: 'daemon/log/ingest.ts',
        find: 'this.#components.usage.reserve(entries)',
        replace: '',
      },
    ],
    tests: [
      {
        file: 'test/network/disk-quota.test.ts',
        title: 'is taken up by one plugin as far as it may, and by the others as before',
      },
    ],
  },
  {
    name: 'ops-rate',
    promise: 'one peer takes no more operations a second than its share',
    edits: [
      {
        file: 'daemon/log/rates.ts',
        find: 'if (place === 0 && account.tokens + paid > 0 && cost <= limits.maxOpenOpsPerPeer) {',
        replace: 'if (cost > -1) {',
      },
    ],
    tests: [{ file: rules, title: 'refuses what comes above the rate of one peer, and takes it later' }],
  },
  {
    name: 'paid-reading',
    promise: 'the work for a change that is refused is paid for',
    edits: [
      { file: 'daemon/log/ingest.ts', find: 'this.#rates.charge(origin.peer, costOfReading(meter))', replace: '' },
    ],
    tests: [
      {
        file: 'test/network/unpaid-work.test.ts',
        title: 'is paid for by the mebibyte, on however many streams it comes',
      },
    ],
  },
  {
    name: 'actors-share',
    promise: 'one key cannot use up the actors that a block may have',
    edits: [
      {
        file: 'daemon/log/placement.ts',
        find: 'fact.seq === 1 && !isDaemons && ledger.actorsBeside(fact.actor) >= maxActorsPerOwner',
        replace: 'false',
      },
    ],
    tests: [{ file: 'test/network/unpaid-work.test.ts', title: 'leave room for those of everybody else' }],
  },
  {
    name: 'complaint-share',
    promise: 'complaints of one plugin do not fill the log of the daemon',
    edits: [
      {
        file: 'daemon/log/conversation.ts',
        find: 'if (!this.#log.complaints.take(this.#init.peer)) break',
        replace: '',
      },
    ],
    tests: [
      {
        file: 'test/network/unpaid-work.test.ts',
        title: 'reach the log of the daemon so many times a minute, on however many streams they are made',
      },
    ],
  },
  {
    name: 'list-skips',
    promise: 'a list does not look through what its reader may not read',
    edits: [
      {
        file: 'daemon/handlers/blocks.ts',
        find: '          next = reader.next(row.address)\n          break\n',
        replace: '          continue\n',
      },
    ],
    tests: [
      {
        file: 'test/network/unpaid-work.test.ts',
        title: 'has what may be read, and passes over the rest without looking at it',
      },
    ],
  },
  {
    name: 'begun-work',
    promise: 'who waits as long as the daemon says is not refused for ever',
    edits: [
      {
        file: 'daemon/log/rates.ts',
        find: 'account.tokens + paid > 0',
        replace: 'account.tokens > 0',
      },
    ],
    tests: [
      {
        file: 'test/network/pacing.test.ts',
        title: 'gets through a change that takes several steps to look at, by waiting as long as it was told',
      },
    ],
  },
  {
    name: 'replica-turns',
    promise: 'no replica of a plugin is kept out by another that sends all the time',
    edits: [
      {
        file: 'daemon/log/rates.ts',
        find: 'return place < 0 ? waiting.size : place',
        replace: 'return 0',
      },
    ],
    tests: [
      {
        file: 'test/network/pacing.test.ts',
        title: 'is for one replica of a plugin as for another that sends all the time',
      },
    ],
  },
  {
    name: 're-encoding',
    promise: 'a block is not shown as something that its changes do not say',
    edits: [
      {
        file: 'daemon/views/view-engine.ts',
        find: '  compareEncoding(changes, engine.getChanges(before))\n',
        replace: '',
      },
    ],
    tests: [
      {
        file: 'test/unit/daemon/views/view-faults.test.ts',
        title: 'is not shown when the engine cannot hand out what it was given',
      },
    ],
  },
  {
    name: 'snapshot-reload',
    promise: 'a block is called verified only after what was saved of it was loaded again',
    edits: [
      {
        file: 'daemon/views/view-engine.ts',
        find: '      this.#replace(block, seq, () => loadSaved(bytes, heads, changes))\n',
        replace: '',
      },
    ],
    tests: [
      {
        file: 'test/network/verification.test.ts',
        title: 'is set aside when it is in the log, and the block shows the rest',
      },
    ],
  },
  {
    name: 'slice-cost',
    promise: 'a change that expands without end is ended after its share, not when it is over',
    edits: [
      {
        file: 'daemon/views/view-thread.ts',
        find: 'if ((user + system) / 1_000 <= cpuMs) return wait()',
        replace: 'if (user + system + cpuMs > 0) return wait()',
      },
    ],
    tests: [
      {
        file: 'test/unit/daemon/views/verify.test.ts',
        title: 'is noticed in the middle of it, long before it would be over',
      },
    ],
  },
  {
    name: 'blame',
    promise: 'a fault of this program, or of the machine, is held against nobody',
    edits: [
      {
        file: 'daemon/views/isolate.ts',
        find: 'if (fault !== undefined && isFirst) await this.#control()',
        replace: '',
      },
    ],
    tests: [{ file: 'test/unit/daemon/views/verify.test.ts', title: 'names nobody when it fails without any change' }],
  },
  {
    name: 'suspension',
    promise: 'who sent what a block cannot be made with writes nothing more until it is released',
    edits: [
      {
        file: 'daemon/log/ingest.ts',
        find: 'if (suspension !== undefined) return suspendedError(suspension)',
        replace: 'if (suspension !== undefined) return undefined',
      },
    ],
    tests: [
      {
        file: 'test/network/verification.test.ts',
        title: 'is acknowledged, then set aside; its plugin may not write until it is released',
      },
    ],
  },
  {
    name: 'cursor-view',
    promise: 'a replica is never told to be in step with a view that it was not sent',
    edits: [{ file: 'daemon/log/cursor.ts', find: 'cursor.view === view && ', replace: '' }],
    tests: [{ file: 'test/unit/daemon/log/cursor.test.ts', title: 'holds for the view that it was issued for alone' }],
  },
  {
    name: 'cursor-end',
    promise: 'a daemon that was set back does not take the cursor of its later self for one of its own',
    edits: [
      {
        file: 'daemon/log/cursor.ts',
        find: ' && Math.max(cursor.seq, seen) <= (epoch.endSeq ?? published)',
        replace: ' && published >= 0',
      },
    ],
    tests: [{ file: 'test/unit/daemon/log/cursor.test.ts', title: 'ends with the epoch that it was issued in' }],
  },
  {
    name: 'credit-sender',
    promise: 'the daemon keeps no more on its way to a reader than the reader took on',
    edits: [
      {
        file: 'daemon/log/block-sender.ts',
        find: 'while (this.#init.session.sendCredit <= 0 && !this.#init.signal.aborted) await',
        replace: 'while (false) await',
      },
    ],
    tests: [{ file: rules, title: 'is sent no more than its credit, and gets the rest when it gives more' }],
  },
  {
    name: 'credit-receiver',
    promise: 'a sender that ignores its credit is cut',
    edits: [
      {
        file: 'protocol/sync/listener-session.ts',
        find: 'if (frame.run.byteLength > this.#receiveCredit) {',
        replace: 'if (false) {',
      },
    ],
    tests: [{ file: credit, title: 'ends the conversation when it is ignored' }],
  },
  {
    name: 'credit-replica',
    promise: 'a replica sends no more than the daemon took on',
    edits: [
      {
        file: 'protocol/sync/dialler-session.ts',
        find: "if (next === undefined || ('run' in next && next.run.byteLength > this.#credit)) return",
        replace: 'if (next === undefined) return',
      },
    ],
    tests: [{ file: credit, title: 'holds back what goes beyond it until it comes back' }],
  },
  {
    name: 'echo-live',
    promise: 'what a replica wrote is not sent back to it',
    edits: [
      {
        file: 'daemon/log/conversation.ts',
        find: '    for (const tip of effect.tips) this.#watcher.submitted(row.id, tip.actor, tip.seq)\n',
        replace: '',
      },
    ],
    tests: [{ file: sync, title: 'brings what one writes to the other, and never back to the writer' }],
  },
  {
    name: 'generation-seal',
    promise: 'nobody brings a generation back that this daemon never had',
    edits: [
      {
        file: 'daemon/log/block-creation.ts',
        find: "if (!seals.fits(claimed, seal)) throw new MooringError('generation-lost')",
        replace: 'void seals, seal',
      },
    ],
    tests: [{ file: forged, title: 'is not there with a seal of its own making to show for it' }],
  },
  {
    name: 'metadata-reader',
    promise: 'what is said of a block is told to nobody who may not read it',
    edits: [
      {
        file: 'daemon/log/block-sender.ts',
        find: 'mayRead(row.address) ?',
        replace: 'mayRead(row.address) || true ?',
      },
    ],
    tests: [{ file: 'test/network/metadata.test.ts', title: 'is not told to who may write there and not read' }],
  },
  {
    name: 'last-copy',
    promise: 'what a daemon lost and did not take back stays readable where it is',
    edits: [
      {
        file: 'plugin-sdk/memory/intake.ts',
        find: "isLost || gone === 'unknown' ? next !== generation : gone !== 'deleted' && next < generation",
        replace: '(isLost || gone === undefined) && next === generation',
      },
    ],
    tests: [
      { file: restored, title: 'shows the older one to who may not bring the later one back, and keeps that aside' },
    ],
  },
  {
    name: 'echo-resume',
    promise: 'a replica that comes back is sent only what it lacks',
    edits: [
      {
        file: 'daemon/log/possession.ts',
        find: 'if (row !== undefined && row.generation === generation) this.add(row.id, actor, seq)',
        replace: 'if (row === undefined) continue',
      },
    ],
    tests: [{ file: sync, title: 'is not sent what it says that it holds of its own' }],
  },
]
