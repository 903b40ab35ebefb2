/**
 * The frames of block sync. One stream carries many blocks, told apart by handles: the dialler gives out odd ones, the
 * listener even ones. Only an `ack` says that something is durable; the end of the stream says nothing.
 */
import { z } from 'zod'
import { bytes, defineFrames, type FrameOf } from '../define.ts'
import { limits } from '../limits.ts'
import { actorId, address, blockMeta, changeHash, count, label, peerId, replicaId, scope } from '../shapes.ts'

const handle = z.int().min(1).max(Number.MAX_SAFE_INTEGER)
const code = z.string().max(64)
const detail = z.string().max(limits.maxDetailChars)
const signature = bytes({ min: 64, max: 64 })
const run = bytes({ min: 1, max: limits.maxFrameBytes })
/**
 * By it the daemon knows its own word again: what it said of a block beside its content. Nobody else can make one, or has
 * to look at one.
 */
const seal = bytes({ min: 32, max: 32 })
const credit = z.strictObject({ t: z.literal('credit'), bytes: z.int().min(1).max(limits.creditBytes) })
const done = z.strictObject({ t: z.literal('done'), reason: code, detail: detail.optional() })

/** `<scope>/<label>`, or `<scope>/<prefix>*`: the form of a block grant's pattern. */
const pattern = z.string().min(3).max(limits.maxGrantChars)

/** The author's word for the newest change of one actor in a run; the hash chain covers the ones before. */
const tip = z.strictObject({ actor: actorId, seq: count, hash: changeHash, signature })

/** A tip that says whose it is. */
const authoredTip = z.strictObject({ ...tip.shape, peer: peerId })

/** Without a peer: the tip of the one who sends it. With one, the change is supplied for its author. */
const submittedTip = z.strictObject({ ...tip.shape, peer: peerId.optional() })

const actorClock = z.strictObject({ actor: actorId, seq: count })

const watches = z.array(pattern).max(limits.maxWatchesPerFrame)
const owned = z
  .array(z.strictObject({ address, generation: count, actor: actorId, seq: count, hash: changeHash }))
  .max(1_000)

export const syncFrames = defineFrames({
  id: '/mooring/memory-sync/1.0.0',
  dialledBy: 'plugin',
  dialler: {
    /** Always first. `own`: the newest change of each actor of its own that the replica still holds. */
    open: z.strictObject({
      t: z.literal('open'),
      replica: replicaId,
      /** Encodings of a run that the replica can read. */
      accept: z.array(z.string().max(16)).min(1).max(8),
      watch: watches,
      cursor: bytes({ max: 256 }).optional(),
      /** Highest log position received after the cursor was: a log that ends before it is not the one that was read. */
      seen: count.optional(),
      own: owned,
      /** There is more to say than fits: `open-more` follows, and nothing is answered before its last. */
      more: z.literal(true).optional(),
    }),
    'open-more': z.strictObject({ t: z.literal('open-more'), watch: watches, own: owned, last: z.boolean() }),
    /**
     * What the replica holds, block by block; only after `resync`, and no more than `haveBytes` for each: an entry counts
     * 64 bytes, its address, and 64 bytes for each actor. The clock of a block may come in several entries, one after another.
     */
    have: z.strictObject({
      t: z.literal('have'),
      entries: z
        .array(
          z.strictObject({ address, generation: count, clock: z.array(actorClock).max(limits.maxActorsPerChange) }),
        )
        .max(256),
      last: z.boolean(),
    }),
    watch: z.strictObject({ t: z.literal('watch'), pattern }),
    unwatch: z.strictObject({ t: z.literal('unwatch'), pattern }),
    /**
     * Asks for the block at an address, and makes it if there is none; answered by `block` or `refuse`. `generation`: the
     * one that the replica knew, which is not made again when it was deleted. A later one than the daemon has ever known
     * was lost by it: it is brought back, in place of what is there, with the word of the daemon for it.
     */
    create: z.strictObject({
      t: z.literal('create'),
      handle,
      scope,
      label,
      schema: z.string().max(64),
      meta: blockMeta,
      generation: count.optional(),
      /** What the daemon said of that generation, with `schema` and `meta` as they were then. */
      sealed: z.strictObject({ owner: peerId, createdAtMs: count, metaAtMs: count, seal }).optional(),
    }),
    /**
     * `more`: taken or refused together with the next delta, because the tips that cover it are still to come. At most
     * `maxSupplyChanges` changes, `maxSupplyBytes` bytes and `maxSupplyTips` tips stand together so.
     */
    delta: z.strictObject({
      t: z.literal('delta'),
      handle,
      run,
      tips: z.array(submittedTip).max(64),
      more: z.literal(true).optional(),
    }),
    /** Answers `lacks`: all that the replica holds and may supply was sent. */
    supplied: z.strictObject({ t: z.literal('supplied'), handle }),
    /** A change that the replica's engine cannot take. */
    poison: z.strictObject({ t: z.literal('poison'), handle, hash: changeHash }),
    credit,
    done,
  },
  listener: {
    /**
     * Introduces a handle. `held`: what the daemon holds of the actors that `open.own` or `have` named. `seal` stands for
     * address, generation, schema, owner, meta and both times.
     */
    block: z.strictObject({
      t: z.literal('block'),
      handle,
      scope,
      label,
      generation: count,
      schema: z.string().max(64),
      meta: blockMeta,
      owner: peerId,
      createdAtMs: count,
      /** When `meta` was changed last; 0, and no `meta`, for a replica that may write there and not read. */
      metaAtMs: count,
      seal,
      /** Log position of the newest of what this says, but for the content. */
      seq: count,
      heads: z.array(changeHash).max(10_000),
      /** How many changes the daemon has of the block. */
      changes: count.optional(),
      held: z.array(actorClock).max(limits.maxActorsPerChange),
    }),
    /** A piece of the stored snapshot, an Automerge document; the last piece carries the newest tips. */
    chunk: z.strictObject({
      t: z.literal('chunk'),
      handle,
      bytes: bytes({ max: limits.maxChunkBytes }),
      last: z.boolean(),
      tips: z.array(authoredTip).max(512),
    }),
    /** `seq`: log position of the last change in the run. */
    delta: z.strictObject({
      t: z.literal('delta'),
      handle,
      seq: count,
      run,
      tips: z.array(authoredTip).max(limits.maxChangesPerFrame),
    }),
    /** The metadata of the block has changed: all of it, with the seal that then stands for the block. */
    meta: z.strictObject({ t: z.literal('meta'), handle, meta: blockMeta, metaAtMs: count, seal, seq: count }),
    /**
     * The log has only this much of these actors, and the replica said to hold more: it supplies the rest, whoever wrote
     * it, and ends with `supplied`. Asked of one replica at a time.
     */
    lacks: z.strictObject({ t: z.literal('lacks'), handle, clock: z.array(actorClock).min(1).max(1_500) }),
    gone: z.strictObject({
      t: z.literal('gone'),
      handle: handle.optional(),
      address,
      /** `unknown`: of a generation that the replica told of the daemon has not everything, or nothing. */
      reason: z.enum(['deleted', 'out-of-scope', 'no-match', 'unknown']),
      /** Log position of the deletion. */
      seq: count.optional(),
      /**
       * Of an unknown generation that is over: the log has only this much of these actors. Without it the log has nothing
       * of the generation, and `create` may bring it back.
       */
      lacks: z.array(actorClock).max(1_500).optional(),
    }),
    /** How far a long catch-up has come, in changes: for who shows it, and for nothing else. */
    progress: z.strictObject({ t: z.literal('progress'), done: count, total: count }),
    /**
     * Everything up to the cursor has been sent; the replica stores the cursor together with that data. An empty one while
     * the replica has more than the log: when it comes back it is asked what it has.
     */
    synced: z.strictObject({ t: z.literal('synced'), cursor: bytes({ max: 256 }) }),
    /** The cursor cannot be used: say what you have; once more for each further part of it. */
    resync: z.strictObject({ t: z.literal('resync') }),
    /** The first `n` changes sent on this stream are durable or refused. */
    ack: z.strictObject({ t: z.literal('ack'), n: count }),
    /** `n`: the first refused change, counted from 1; `count` of them. Without `n` it speaks of the handle. */
    refuse: z.strictObject({
      t: z.literal('refuse'),
      n: count.optional(),
      count: count.optional(),
      handle: handle.optional(),
      code,
      detail: detail.optional(),
      retryAfterMs: count.optional(),
    }),
    /** `seq`: log position at which the change was set aside. */
    quarantined: z.strictObject({ t: z.literal('quarantined'), handle, hash: changeHash, seq: count }),
    credit,
    done,
  },
})

export type DiallerFrame = FrameOf<typeof syncFrames.dialler>
export type ListenerFrame = FrameOf<typeof syncFrames.listener>
export type Frame<Side, Type extends string> = Extract<Side, { t: Type }>
