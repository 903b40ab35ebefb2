/**
 * What a block schema is. Keeps the invariant that two replicas which create "the same" document apart from each other
 * begin with the same change, byte for byte: only then do their edits meet when they merge.
 */
import type { ActorId, ChangeHash } from '../ids.ts'
import { limits } from '../limits.ts'
import type { Problem, Root } from './checks.ts'
import type { OptionName, SchemaOptions } from './options.ts'

/** What is left of a document for rendering: no classes of the engine, only values that JSON or a person can take. */
export type PlainValue =
  | string
  | number
  | boolean
  | null
  | readonly PlainValue[]
  | { readonly [key: string]: PlainValue }

/** A container that a frozen change makes. */
export interface InitialObject {
  /** `<counter>@<actor>`. */
  readonly id: string
  readonly type: 'map' | 'list' | 'text' | 'table'
  /** 1 for an object directly below the root. */
  readonly depth: number
}

/**
 * A change that every document of a schema has. Nobody signs it and nobody owns its actor: 16 bytes, where an actor of a
 * peer has 24.
 */
export interface FrozenChange {
  /** One uncompressed Automerge change. Shared: never to be written to or transferred. */
  readonly bytes: Uint8Array
  readonly actor: ActorId
  readonly seq: number
  readonly hash: ChangeHash
  /** Counter of its last operation. */
  readonly maxOp: number
  readonly ops: number
  readonly objects: readonly InitialObject[]
}

/** The one that every document begins with. It is never transmitted. */
export type InitialChange = FrozenChange

export interface BlockSchema<Value = unknown> {
  readonly name: string
  /** One more than there are upgrades. */
  readonly version: number
  /** One sentence for lists and the specification. */
  readonly summary: string
  readonly initial: InitialChange
  /**
   * What later versions added: containers, and nothing else. Each builds on the one before it and on nothing of anybody
   * else's, so that it is the same change in every document, whoever brought it there. A replica that knows it has it in its
   * documents by itself; the daemon puts it into the log before the first change that builds on it.
   */
  readonly upgrades: readonly FrozenChange[]
  /** What a block of it may be told when it is made. */
  readonly options: readonly OptionName[]
  /**
   * Where the document is not what the schema and the options say; at most `maxProblems` places. A plugin may have put
   * anything under any key, so the shape of the value is not relied on.
   */
  validate(root: Root, options?: SchemaOptions): readonly Problem[]
  /** The document as text for people, the same on every replica that has the same changes; any document. */
  describe(root: { readonly [key: string]: PlainValue }, options?: SchemaOptions): string
  /** Carries the type of the document for the compiler; there is no such property. */
  readonly value?: Value
}

/** A change as a schema file writes it down: actor, hash and bytes as hex. */
export interface FrozenInit extends Omit<FrozenChange, 'bytes' | 'actor' | 'hash'> {
  readonly bytes: string
  readonly actor: string
  readonly hash: string
}

interface SchemaInit extends Omit<BlockSchema, 'initial' | 'upgrades' | 'version' | 'value' | 'validate' | 'describe'> {
  readonly initial: FrozenInit
  /** Oldest first. */
  readonly upgrades?: readonly FrozenInit[]
  /** Every place that is not as it should be. */
  check(root: Root, options: SchemaOptions): Iterable<Problem>
  describe(root: { readonly [key: string]: PlainValue }, options: SchemaOptions): string
}

/** Declares a schema whose documents have the type `Value`. */
export function defineSchema<Value extends object>(init: SchemaInit): BlockSchema<Value> {
  const { name, summary, options, upgrades = [], check, describe } = init
  return {
    name,
    summary,
    options,
    version: 1 + upgrades.length,
    initial: frozen(init.initial),
    upgrades: upgrades.map(frozen),
    validate(root, said = {}) {
      const problems: Problem[] = []
      for (const problem of check(root, said)) if (problems.push(problem) === limits.maxProblems) break
      return problems
    },
    describe: (root, said = {}) => describe(root, said),
  }
}

function frozen({ bytes, actor, hash, ...rest }: FrozenInit): FrozenChange {
  return {
    ...rest,
    // A copy: small buffers share their memory with others.
    bytes: new Uint8Array(Buffer.from(bytes, 'hex')),
    actor: actor as ActorId,
    hash: hash as ChangeHash,
  }
}

/** The changes that every document of a schema has, in order. */
export const frozenOf = ({ initial, upgrades }: BlockSchema): readonly FrozenChange[] => [initial, ...upgrades]

/**
 * What brings a document to the newest version of its schema: those of the frozen changes that it lacks. Nothing for one that
 * has them all. They are the same bytes wherever they are put in, so documents that were brought up apart from each other
 * merge as if one of them had been.
 */
export const migration = (schema: BlockSchema, has: (hash: ChangeHash) => boolean): readonly FrozenChange[] =>
  frozenOf(schema).filter(({ hash }) => !has(hash))
