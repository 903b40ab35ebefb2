/**
 * What is said between the main thread and the view worker: one step at a time, each answered once. Bytes travel by
 * transfer, so that neither side copies a document to hand it over.
 */
import type { EditStep } from '../../protocol/edit-shapes.ts'
import type { ActorId, ChangeHash, PeerId } from '../../protocol/ids.ts'
import type { Problem, SchemaOptions } from '../../protocol/schemas/index.ts'
import type { BlockId, Seq } from '../storage/storage.ts'
import type { ValueDiff } from './history/diff.ts'
import type { Whose } from './history/undo-steps.ts'

/** Each step with its answer. */
export interface ViewSteps {
  /** Which state of the block the worker still holds. */
  hold: { ask: { readonly block: BlockId }; answer: { readonly seq: Seq | undefined } }
  /** Starts a document from a stored snapshot, or from the first change of its schema. */
  begin: {
    ask: {
      readonly block: BlockId
      readonly seq: Seq
      readonly from: 'snapshot' | 'change'
      readonly bytes: Uint8Array
    }
    answer: undefined
  }
  /**
   * Applies one slice of the log and compares what the engine then hands out with what was applied; the document is then
   * at `seq`. With a limit, what goes above it counts as failure.
   */
  apply: { ask: { readonly block: BlockId; readonly limit?: SliceLimit } & LogSlice; answer: undefined }
  /** Which of the changes build on one of `hashes`, or on another one found here. */
  dependants: {
    ask: { readonly block: BlockId; readonly hashes: readonly ChangeHash[] } & Omit<LogSlice, 'seq'>
    answer: { readonly found: readonly { readonly index: number; readonly cause: ChangeHash }[] }
  }
  render: {
    ask: { readonly block: BlockId; readonly schema: string; readonly options: SchemaOptions | undefined }
    answer: {
      readonly text: string
      readonly textHash: string
      readonly heads: readonly ChangeHash[]
      readonly problems: readonly Problem[]
    }
  }
  /** The present value on top of the first change of the schema: its upgrades, and changes of this actor. */
  rewrite: {
    ask: { readonly block: BlockId; readonly frozen: readonly Uint8Array[]; readonly actor: ActorId }
    answer: { readonly changes: readonly Uint8Array[] }
  }
  /**
   * Whether bytes load, and to this: fails otherwise. The document is then the one that was loaded. `changes` counts the
   * first change of the schema.
   */
  check: {
    ask: {
      readonly block: BlockId
      readonly seq: Seq
      readonly bytes: Uint8Array
      readonly heads: readonly ChangeHash[]
      readonly changes: number
    }
    answer: undefined
  }
  /** The changes from one on that the document holds, in an order in which each comes after what it builds on. */
  changes: {
    ask: { readonly block: BlockId; readonly from: number }
    answer: Omit<LogSlice, 'seq'>
  }
  /** Counter of the last operation of each of the changes; -1 for one that the document does not have. */
  recall: {
    ask: { readonly block: BlockId; readonly hashes: readonly ChangeHash[] }
    answer: { readonly maxOps: Float64Array<ArrayBuffer> }
  }
  /**
   * One change of this actor on top of the document, which stays as it is: a step that makes a change answers a
   * {@link MadeChange}, and `Edits` of the log does the rest.
   */
  edit: {
    ask: {
      readonly block: BlockId
      readonly actor: ActorId
      readonly timeS: number
      /** Whom it is made for: said in the change. */
      readonly writtenFor: PeerId
      readonly steps: readonly EditStep[]
      readonly heads: readonly ChangeHash[] | undefined
    }
    answer: MadeChange
  }
  /** A page of its changes in groups, newest first; undefined when the document does not have the change `before`. */
  history: {
    ask: { readonly block: BlockId; readonly before: ChangeHash | undefined; readonly limit: number }
    answer: { readonly groups: readonly GroupFacts[]; readonly more: boolean } | undefined
  }
  /** The text of an earlier state; undefined when the document does not have these heads. */
  at: {
    ask: {
      readonly block: BlockId
      readonly schema: string
      readonly options: SchemaOptions | undefined
      readonly heads: readonly ChangeHash[]
    }
    answer: { readonly text: string; readonly textHash: string } | undefined
  }
  /** What differs between two states, or one and the present; undefined when the document does not have these heads. */
  diff: {
    ask: {
      readonly block: BlockId
      readonly from: readonly ChangeHash[]
      readonly to: readonly ChangeHash[] | undefined
    }
    answer: ValueDiff | undefined
  }
  /** Which change each part of a text is from, a page at a time; undefined when there is no text at the path. */
  blame: {
    ask: { readonly block: BlockId; readonly path: readonly string[]; readonly offset: number }
    answer:
      | {
          readonly spans: readonly {
            readonly text: string
            readonly actor?: ActorId
            readonly change?: ChangeHash
            readonly writtenFor?: PeerId | undefined
            readonly timeS?: number
          }[]
          /** Where the next page begins. */
          readonly next: number
          readonly totalChars: number
        }
      | undefined
  }
  /** How many steps a peer may undo and redo. */
  depth: {
    ask: { readonly block: BlockId } & Whose
    answer: { readonly undo: number; readonly redo: number }
  }
  /** A change that takes back the newest step of a peer; undefined when there is none. The document does not have it yet. */
  undo: {
    ask: {
      readonly block: BlockId
      readonly kind: 'undo' | 'redo'
      /** A new one, of the daemon. */
      readonly actor: ActorId
      readonly timeS: number
    } & Whose
    answer:
      | {
          readonly bytes: Uint8Array
          /** Of the document without it, and with it. */
          readonly before: readonly ChangeHash[]
          readonly heads: readonly ChangeHash[]
          /** The change that it takes back. */
          readonly of: ChangeHash
          /** How many steps there are then. */
          readonly undo: number
          readonly redo: number
        }
      | { readonly refused: { readonly code: 'change-too-large'; readonly detail: string } }
      | undefined
  }
  /** Saves the document and goes on with what was saved, loaded again. `changes` counts the first change of the schema. */
  snapshot: {
    ask: { readonly block: BlockId }
    answer: { readonly bytes: Uint8Array; readonly heads: readonly ChangeHash[]; readonly changes: number }
  }
}

/** A change that nobody has yet, or why none was made. Without bytes there is nothing to change. */
export type MadeChange =
  | { readonly before: readonly ChangeHash[]; readonly heads: readonly ChangeHash[]; readonly bytes?: Uint8Array }
  | { readonly refused: { readonly code: 'bad-edit' | 'change-too-large' | 'heads-differ'; readonly detail: string } }

/** Changes of one author that follow each other. */
export interface GroupFacts {
  /** The actors that the author used, each with its oldest and newest change of the group. */
  readonly spans: readonly { readonly actor: ActorId; readonly from: number; readonly to: number }[]
  /** By the clock of the author, in seconds. */
  readonly fromS: number
  readonly untilS: number
  readonly changes: number
  readonly ops: number
  readonly bytes: number
  readonly first: ChangeHash
  readonly last: ChangeHash
  /** Whom the author says that it wrote them for: to be believed of the daemon alone. */
  readonly writtenFor: PeerId | undefined
  /** Of the document right behind it; empty when they are too many to be told. */
  readonly heads: readonly ChangeHash[]
  readonly summary: string
}

/** What one slice may cost. */
export interface SliceLimit {
  /** Processor time of the thread in milliseconds. */
  readonly cpuMs: number
  /** By how much the memory of the worker may grow. */
  readonly growthBytes: number
}

/** The reason of a slice that took more processor time than its share, whoever noticed. */
export const costFault = (cpuMs: number): string => `limit: more than ${cpuMs} ms of processor time`

/** Changes laid end to end in a buffer of their own. */
export interface LogSlice {
  /** Position of the last one. */
  readonly seq: Seq
  readonly bytes: Uint8Array
  /** Length of each, in order. */
  readonly lengths: Uint32Array
}

export type StepName = keyof ViewSteps

/** Steps that are asked about a document as it is, and leave it so. */
export type Question = 'edit' | 'render' | 'recall' | 'history' | 'at' | 'diff' | 'blame' | 'depth' | 'undo'
/** What is asked beside the block. */
export type About<Name extends StepName> = Omit<ViewSteps[Name]['ask'], 'block'>
export type Reply<Name extends StepName> = ViewSteps[Name]['answer']

export type StepMessage = { [Name in StepName]: { readonly step: Name } & ViewSteps[Name]['ask'] }[StepName]

export type StepReply =
  /** Sent once, unasked: the engine is loaded. */
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'done'
      readonly answer: ViewSteps[StepName]['answer']
      /** JavaScript heap and WebAssembly memory of the worker. */
      readonly memoryBytes: number
    }
  | {
      readonly kind: 'failed'
      readonly detail: string
      /** The engine may have been left in any state: nothing may be run in this worker again. */
      readonly isBroken: boolean
    }
