/** Shapes that several tables share, each a checked and branded id. */
import { z } from 'zod'
import { type BlockMeta, blockKinds } from './block-meta.ts'
import { decodeValue, encodeValue } from './codec.ts'
import { validate } from './define.ts'
import {
  type ActorId,
  type ArchiveId,
  type BlockAddress,
  type ChangeHash,
  type InstanceId,
  isArchiveId,
  isChangeHash,
  isHexId,
  isLabel,
  isName,
  isPeerId,
  isScope,
  type Label,
  type PeerId,
  parseAddress,
  type ReplicaId,
  type Scope,
  type SessionId,
} from './ids.ts'
import { limits } from './limits.ts'
import { schemaOptions } from './schema-options.ts'
import { checkOptions, type SchemaName } from './schemas/index.ts'

const text = (max: number) => z.string().min(1).max(max)

export const peerId = text(64)
  .refine(isPeerId, 'is not a peer id')
  .transform((value) => value as PeerId)
export const replicaId = text(32)
  .refine(isHexId, 'must be 32 hex digits')
  .transform((value) => value as ReplicaId)
export const instanceId = text(32)
  .refine(isHexId, 'must be 32 hex digits')
  .transform((value) => value as InstanceId)
export const sessionId = text(32)
  .refine(isHexId, 'must be 32 hex digits')
  .transform((value) => value as SessionId)
export const scope = text(limits.maxScopeChars + 6)
  .refine(isScope, 'is not a scope')
  .transform((value) => value as Scope)
export const label = text(limits.maxLabelChars)
  .refine(isLabel, 'is not a label')
  .transform((value) => value as Label)
export const changeHash = text(64)
  .refine(isChangeHash, 'must be 64 hex digits')
  .transform((value) => value as ChangeHash)
export const archiveId = text(36)
  .refine(isArchiveId, 'is not the id of an entry: a UUID of version 7')
  .transform((value) => value as ArchiveId)
export const actorId = text(256)
  .refine((value) => /^(?:[0-9a-f]{2})+$/.test(value), 'must be lower-case hex')
  .transform((value) => value as ActorId)
export const address = text(limits.maxScopeChars + limits.maxLabelChars + 8)
  .refine((value) => {
    try {
      parseAddress(value)
      return true
    } catch {
      return false
    }
  }, 'is not a block address')
  .transform((value) => value as BlockAddress)

/** Counts and positions. */
export const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER)

/** What is said of a block beside its content, or what of that is changed. */
export const blockMeta = z.strictObject({
  description: z.string().max(limits.maxDescriptionChars).optional(),
  options: schemaOptions.optional(),
  kind: z.enum(blockKinds).optional(),
  pinned: z.boolean().optional(),
})

/**
 * What is to be said of a block of this schema, looked at before anything is made of it.
 * @throws `invalid-input`, also for what has no encoding
 */
export function checkMeta(schema: SchemaName, meta: BlockMeta): BlockMeta {
  const said = validate(blockMeta, decodeValue(encodeValue(meta)))
  checkOptions(schema, said.options)
  return said
}

/** One block as lists show it. */
export const blockSummary = z.strictObject({
  address,
  generation: count,
  schema: z.string().max(64),
  description: z.string().max(limits.maxDescriptionChars),
  kind: z.enum(blockKinds),
  pinned: z.boolean(),
  owner: peerId,
  createdAtMs: count,
  changes: count,
  seq: count,
})

/** Something in a block that its schema, or what the block says of its fields, does not say. */
export const blockProblem = z.strictObject({
  /** Keys and positions from the root on: `map.title`, `list[3].done`. */
  path: z.string().max(256),
  problem: z.string().max(100),
})

/** One block rendered for people, a page of its text at a time: a long text does not fit one frame. */
export const renderedBlock = z.strictObject({
  address,
  generation: count,
  schema: z.string().max(64),
  heads: z.array(changeHash),
  /** SHA-256 of the whole text in UTF-8: with the heads, all that two who compare a block need to tell each other. */
  textHash: z.string().regex(/^[0-9a-f]{64}$/),
  /** The characters from the asked offset on, at most 50,000. */
  text: z.string().max(50_000),
  /** Characters of the whole text. */
  totalChars: count,
  /** The first places where the content is not what its schema says: any replica may write anything. None hides the rest. */
  problems: z.array(blockProblem).max(limits.maxProblems),
  /** What the block asks of its content beyond its schema. */
  options: schemaOptions.optional(),
})

/** What is put into the archive. */
export const archiveText = z.string().min(1).max(limits.maxArchiveChars)

/** What is said of an entry beside its text; keys are names, so that none means anything to a program. */
export const archiveMetadata = z
  .record(
    text(limits.maxArchiveKeyChars).refine((key) => isName(key, limits.maxArchiveKeyChars), 'is not a name'),
    z.string().max(limits.maxArchiveValueChars),
  )
  .refine((fields) => Object.keys(fields).length <= limits.maxArchiveFields, 'has too many fields')

const archiveFacts = z.strictObject({
  id: archiveId,
  scope,
  owner: peerId,
  createdAtMs: count,
  metadata: archiveMetadata,
})

/** One entry of the archive. */
export const archiveEntry = archiveFacts.extend({ text: archiveText })

/** One entry as lists show it. */
export const archiveCard = archiveFacts.extend({
  /** The beginning of the text. */
  excerpt: z.string().max(200),
  /** Characters of the whole text. */
  totalChars: count,
})

export const searchKind = z.enum(['block', 'archive'])

/** What is looked for, and where. */
export const searchInput = z.strictObject({
  /** Words, "phrases", and either with a minus in front. Longer ones are refused with a code of their own. */
  text: z.string().max(100_000),
  /** Absent: wherever the caller may read. */
  scopes: z.array(scope).min(1).max(16).optional(),
  limit: z.int().min(1).max(50).default(20),
  /** Of an earlier answer to the same question. */
  cursor: z.string().max(400).optional(),
})

const foundText = z.strictObject({
  scope,
  /** Greater is better; of use only beside the others of the same answer. */
  score: z.number(),
  /** A piece of the text. */
  snippet: z.string().max(400),
  /** Where the words are in it, in characters. */
  marks: z.array(z.strictObject({ from: count, to: count })).max(32),
})

export const searchHit = z.discriminatedUnion('kind', [
  foundText.extend({ kind: z.literal('block'), address }),
  foundText.extend({ kind: z.literal('archive'), id: archiveId }),
])

export const searchAnswer = z.strictObject({
  hits: z.array(searchHit),
  /** Goes on with what comes behind; absent at the end. */
  cursor: z.string().max(400).optional(),
})
