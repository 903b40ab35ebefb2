/**
 * What a block schema is. Keeps the invariant that two replicas which create "the same" document apart from each other
 * begin with the same change, byte for byte: only then do their edits meet when they merge.
 */
import type { ActorId, ChangeHash } from '../ids.ts'

/** What is left of a document for rendering: no classes of the engine, only values that JSON or a person can take. */
export type PlainValue =
  | string
  | number
  | boolean
  | null
  | readonly PlainValue[]
  | { readonly [key: string]: PlainValue }

/** A container that the initial change makes. */
export interface InitialObject {
  /** `<counter>@<actor>`. */
  readonly id: string
  readonly type: 'map' | 'list' | 'text' | 'table'
  /** 1 for an object directly below the root. */
  readonly depth: number
}

/**
 * The change that every document of a schema begins with. It is never transmitted, nobody signs it and nobody owns its
 * actor: 16 bytes, where an actor of a peer has 24.
 */
export interface InitialChange {
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

export interface BlockSchema<Value = unknown> {
  readonly name: string
  readonly version: number
  /** One sentence for lists and the specification. */
  readonly summary: string
  /** Frozen: a later version adds containers by a further change, never by another first one. */
  readonly initial: InitialChange
  /**
   * The document as text for people, the same on every replica that has the same changes. A plugin may have put
   * anything under any key, so the shape of the value is not relied on.
   */
  describe(root: { readonly [key: string]: PlainValue }): string
  /** Carries the type of the document for the compiler; there is no such property. */
  readonly value?: Value
}

/** What a schema file writes down: actor and hash as hex, the change as hex. */
interface SchemaInit extends Omit<BlockSchema, 'initial' | 'value'> {
  readonly initial: Omit<InitialChange, 'bytes' | 'actor' | 'hash'> & {
    readonly bytes: string
    readonly actor: string
    readonly hash: string
  }
}

/** Declares a schema whose documents have the type `Value`. */
export function defineSchema<Value extends object>(init: SchemaInit): BlockSchema<Value> {
  const { bytes, actor, hash, ...rest } = init.initial
  return {
    ...init,
    initial: {
      ...rest,
      // A copy: small buffers share their memory with others.
      bytes: new Uint8Array(Buffer.from(bytes, 'hex')),
      actor: actor as ActorId,
      hash: hash as ChangeHash,
    },
  }
}
