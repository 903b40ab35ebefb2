/** Every bound on what crosses a wire or is kept for a peer: value, unit and the reason for the number. */

interface Limit {
  readonly value: number
  readonly unit: 'bytes' | 'ms' | 'count' | 'ops' | 'ops/s' | 'levels'
  readonly reason: string
}

export const limitTable = {
  maxFrameBytes: { value: 256 * 1024, unit: 'bytes', reason: 'one frame must never hold up the frames behind it' },
  maxLobbyFrameBytes: { value: 4 * 1024, unit: 'bytes', reason: 'a manifest fits; an unknown key gets no more' },
  maxValueDepth: { value: 32, unit: 'levels', reason: 'deeper than any declared shape; stops recursion attacks' },
  maxValueItems: { value: 20_000, unit: 'count', reason: 'items in one frame before its shape is even looked at' },
  maxBufferedBytes: {
    value: 2 * 1024 * 1024,
    unit: 'bytes',
    reason:
      'unread bytes of one stream: outstanding credit plus control frames; the transport itself gives up at 4 MiB',
  },
  maxUnsentBytes: {
    value: 4 * 1024 * 1024,
    unit: 'bytes',
    reason: 'written but unsent bytes of one stream before its reader counts as stopped',
  },
  creditBytes: { value: 1024 * 1024, unit: 'bytes', reason: 'outstanding delta and chunk bytes each way' },
  maxOpenCalls: { value: 64, unit: 'count', reason: 'unary calls waiting on one stream' },
  maxDetailChars: { value: 500, unit: 'count', reason: 'an error detail is one sentence' },
  callTimeoutMs: { value: 30_000, unit: 'ms', reason: 'a call without its own deadline' },
  frameDeadlineMs: {
    value: 10_000,
    unit: 'ms',
    reason: 'a started frame must be finished: one byte a second is an attack',
  },
  beatEveryMs: { value: 2_000, unit: 'ms', reason: 'plugin to daemon, one way' },
  beatTimeoutMs: {
    value: 6_000,
    unit: 'ms',
    reason: 'three missed beats; keeps detection of half-open links under 7 s',
  },
  helloTimeoutMs: { value: 10_000, unit: 'ms', reason: 'time from connecting to a complete hello' },
  requestTtlMs: {
    value: 10 * 60_000,
    unit: 'ms',
    reason: 'an operator looks at a request within ten minutes or not at all',
  },
  maxLobbyConnections: { value: 16, unit: 'count', reason: 'unapproved connections before their hello' },
  maxParkedRequests: { value: 64, unit: 'count', reason: 'unapproved connections that wait for the operator' },
  maxParkedPerAddress: { value: 8, unit: 'count', reason: 'one machine cannot take the whole lobby' },
  arrivalRetryMs: {
    value: 500,
    unit: 'ms',
    reason: 'when a plugin may try again that made room before its hello: the others say theirs at once',
  },
  lobbyRetryMs: { value: 30_000, unit: 'ms', reason: 'when an evicted plugin may try again' },
  deniedRetryMs: { value: 60_000, unit: 'ms', reason: 'a denied key may ask again after a minute, not in a loop' },
  maxLiveReplicas: { value: 8, unit: 'count', reason: 'live sessions of one key' },
  maxStreamsPerConnection: {
    value: 32,
    unit: 'count',
    reason: 'few long-lived streams are the rule; watches take one each',
  },
  maxNameChars: { value: 64, unit: 'count', reason: 'a plugin name fits one line next to its key' },
  maxLabelChars: { value: 128, unit: 'count', reason: 'a block label fits one line' },
  maxDescriptionChars: { value: 500, unit: 'count', reason: 'what a block is for is said in a sentence or two' },
  maxOptionsChars: {
    value: 8 * 1024,
    unit: 'count',
    reason: 'what a block says of its fields or sections travels with its metadata, again each time that changes',
  },
  maxOptionsCharsPerPeer: {
    value: 4 * 1024 * 1024,
    unit: 'count',
    reason: 'of all blocks that one key made: they are in memory for as long as the daemon runs',
  },
  maxProblems: {
    value: 20,
    unit: 'count',
    reason: 'places told of where a block is not what its schema says: the first few show what went wrong',
  },
  maxScopeChars: { value: 64, unit: 'count', reason: 'a scope id fits one line' },
  maxWants: { value: 64, unit: 'count', reason: 'more grants than an operator reads is a reason to refuse' },
  maxGrantChars: { value: 256, unit: 'count', reason: 'area, right, scope and label' },
  maxWatches: {
    value: 256,
    unit: 'count',
    reason: 'patterns with a star watched by one replica: each block is held against all',
  },
  maxWatchedBlocks: {
    value: 10_000,
    unit: 'count',
    reason: 'exact addresses watched by one replica: as many blocks as one key may create',
  },
  maxWatchesPerFrame: { value: 1_000, unit: 'count', reason: 'with the longest addresses they still fit a frame' },
  maxBlocksPerPeer: { value: 10_000, unit: 'count', reason: 'blocks that one key may create' },
  maxChangeBytes: { value: 192 * 1024, unit: 'bytes', reason: 'a change plus its envelope fits a frame' },
  maxExpandedBytes: { value: 1024 * 1024, unit: 'bytes', reason: 'a change after inflation; also a frame of changes' },
  maxChangesPerFrame: { value: 512, unit: 'count', reason: 'bounds the structural check per frame' },
  haveBytes: {
    value: 256 * 1024,
    unit: 'bytes',
    reason: 'what a replica says that it has before it is asked to go on: a thousand blocks are answered meanwhile',
  },
  maxStreamsPerReplica: {
    value: 2,
    unit: 'count',
    reason: 'sync streams: one, and the one before it while its end is not noticed',
  },
  maxHeldBytesPerStream: {
    value: 32 * 1024 * 1024,
    unit: 'bytes',
    reason: 'memory for what one replica watches and says that it has: ten thousand blocks take a third of it',
  },
  maxHeldBytesPerPeer: {
    value: 64 * 1024 * 1024,
    unit: 'bytes',
    reason: 'the same for all sync streams of one key',
  },
  maxSupplyTips: {
    value: 4_096,
    unit: 'count',
    reason: 'signatures in deltas that are taken or refused together: each costs as much as twenty operations',
  },
  maxSupplyChanges: {
    value: 8_192,
    unit: 'count',
    reason: 'changes of another author that wait in memory for the signature that covers them',
  },
  maxSupplyBytes: {
    value: 1024 * 1024,
    unit: 'bytes',
    reason: 'the same in bytes; about as many keystrokes',
  },
  maxOpsPerFrame: {
    value: 20_000,
    unit: 'ops',
    reason: 'run-length columns make operations free to send: count them, not bytes',
  },
  maxHeadsNamed: { value: 100, unit: 'count', reason: 'heads that name a state; a block joins its own long before' },
  maxDeps: { value: 256, unit: 'count', reason: 'one edit after a hundred offline peers has 101' },
  maxActorsPerChange: {
    value: 4_096,
    unit: 'count',
    reason: 'select-all-delete after hundreds of restarts names each actor',
  },
  maxActorsPerBlock: {
    value: 20_000,
    unit: 'count',
    reason: 'each process that edits a block takes one; all are read before it is written to: half a second',
  },
  maxObjectsPerBlock: {
    value: 250_000,
    unit: 'count',
    reason: 'each is kept in memory while the block is written to: about 40 MB',
  },
  maxObjectDepth: { value: 64, unit: 'levels', reason: 'materialising deep nesting costs minutes' },
  maxOpsPerBlock: { value: 2_000_000, unit: 'ops', reason: 'what the view worker can materialise' },
  maxBytesPerBlock: {
    value: 64 * 1024 * 1024,
    unit: 'bytes',
    reason: 'what changes hold, uncompressed, beyond 128 bytes each: a document of it is saved in eight seconds',
  },
  maxBytesPerPeer: {
    value: 1024 * 1024 * 1024,
    unit: 'bytes',
    reason: 'on the disk, with its part of snapshots; the operator sets another with quota.peer_mib',
  },
  maxGapsPerBlock: {
    value: 4_000_000,
    unit: 'count',
    reason: 'loading a document reserves 72 bytes for each counter that changes leave out: this many are 288 MB',
  },
  maxOpsPerPeerSecond: { value: 100_000, unit: 'ops/s', reason: 'one peer cannot fill the log alone' },
  maxCallsPerPeerSecond: {
    value: 2_000,
    unit: 'count',
    reason: 'host calls of one peer: the longest of those that are answered at once takes a quarter of a millisecond',
  },
  maxOpenOpsPerPeer: {
    value: 200_000,
    unit: 'ops',
    reason: 'in changes that were read and are not stored: about 30 MB, when each makes an object',
  },
  maxOpCounter: { value: 2 ** 31, unit: 'ops', reason: 'a counter near 2^32 makes the next local edit panic' },
  maxChunkBytes: { value: 64 * 1024, unit: 'bytes', reason: 'a piece of a snapshot; live deltas pass in between' },
  maxSnapshotBytes: {
    value: 256 * 1024 * 1024,
    unit: 'bytes',
    reason: 'pieces that a replica keeps until a snapshot is whole, and what its columns inflate to',
  },
  maxEditSteps: { value: 1_000, unit: 'count', reason: 'one edit is one step of the view worker, for a long text too' },
  maxArchiveChars: {
    value: 50_000,
    unit: 'count',
    reason: 'the text of an entry of the archive: with three bytes for each, one still fits a frame',
  },
  maxArchiveFields: {
    value: 16,
    unit: 'count',
    reason: 'metadata of an entry says where it is from, not what it says',
  },
  maxArchiveKeyChars: { value: 64, unit: 'count', reason: 'a key of metadata is a name' },
  maxArchiveValueChars: { value: 256, unit: 'count', reason: 'thirty entries with all of it fit a frame' },
  maxQueryChars: { value: 1_000, unit: 'count', reason: 'nobody types more into a search' },
  maxQueryTerms: { value: 32, unit: 'count', reason: 'words and phrases of a search: each is a list that is read' },
  maxLogLinesPerSecond: { value: 100, unit: 'count', reason: 'forwarded log lines of one plugin' },
  maxLogLineChars: { value: 4_000, unit: 'count', reason: 'one forwarded log line' },
} as const satisfies Record<string, Limit>

export type LimitName = keyof typeof limitTable

/** The bounds as plain numbers; the unit is in the name or in {@link limitTable}. */
export const limits = Object.fromEntries(Object.entries(limitTable).map(([name, row]) => [name, row.value])) as {
  readonly [Name in LimitName]: number
}
