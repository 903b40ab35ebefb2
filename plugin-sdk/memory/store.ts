/**
 * What a replica keeps on disk, as a port. Keeps true for every store behind it: writes take effect whole and in the order
 * in which they were handed over, and one that resolved survives the end of the process and of the power. So a cursor
 * that is written after the changes it covers never stands for more than what is there.
 */
import type { BlockMeta } from '../../protocol/block-meta.ts'
import type { ActorId, BlockAddress, ChangeHash, PeerId, ReplicaId } from '../../protocol/ids.ts'

/** Of all that is kept aside: a person will not read more, and who is refused for ever must fill neither disk nor memory. */
export const maxAsideBytes = 64 * 1024 * 1024

/** What the daemon said when it last let this plugin in. */
export interface StoredWelcome {
  /** The name by which the daemon knows this plugin. */
  readonly name: string
  readonly grants: readonly string[]
  readonly grantVersion: number
}

/** What the daemon said of a block beside its content, with the seal by which it knows its own word again. */
export interface StoredSealed {
  readonly owner: PeerId
  /** Tells it from another block that was made at the address in its place. */
  readonly createdAtMs: number
  readonly meta: BlockMeta
  /** Of two versions of it the later one counts, also at a daemon that has lost it. */
  readonly metaAtMs: number
  readonly seal: Uint8Array
}

export interface StoredBlock {
  readonly address: BlockAddress
  readonly schema: string
  /** Undefined for a block that was made here and never heard of at the daemon. */
  readonly generation: number | undefined
  readonly hasUnsettled: boolean
  /** Of its generation. */
  readonly sealed: StoredSealed | undefined
  /** What is to be said of it once it is made at the daemon. */
  readonly wanted: BlockMeta | undefined
  /** Why the block is gone; undefined while it is not. */
  readonly gone: string | undefined
}

/** The newest change that is held of one actor of this plugin. */
export interface StoredOwn {
  readonly actor: ActorId
  readonly seq: number
  readonly hash: ChangeHash
}

export interface StoredChange {
  /** Greater than that of every change before it, in all blocks of the store. */
  readonly position: number
  /** Made here and not settled at the daemon. */
  readonly isUnsettled: boolean
  readonly bytes: Uint8Array
  readonly hash: ChangeHash
}

/** The signature of another author over one of its changes. */
export interface StoredTip {
  readonly actor: ActorId
  readonly seq: number
  readonly hash: ChangeHash
  readonly signature: Uint8Array
  readonly peer: PeerId
  /** It stands for the actor's changes after this one. */
  readonly from: number
  /** How much these changes are, in bytes and operations. */
  readonly weight: number
}

/** Changes that the daemon refused for good: no longer in the block, kept to be read. */
export interface StoredAside {
  /** Of its first change in the store. */
  readonly id: number
  readonly code: string
  readonly detail: string | undefined
  readonly changes: readonly Uint8Array[]
}

export interface StoredContent {
  /** An Automerge document that was loaded again before it was written; undefined: begin with the schema's own. */
  readonly snapshot: Uint8Array | undefined
  /** What is not in the snapshot, in the order in which it came here. Its checksums have been looked at. */
  readonly changes: readonly StoredChange[]
  readonly own: readonly StoredOwn[]
  /** Oldest first for each actor. */
  readonly tips: readonly StoredTip[]
  readonly aside: readonly StoredAside[]
}

/** What a store held when it was opened. */
export interface StoreState {
  readonly replica: ReplicaId
  readonly welcome: StoredWelcome | undefined
  readonly cursor: Uint8Array | undefined
  /** Highest log position that came after the cursor; 0 for none. */
  readonly seen: number
  /** Watched beside the blocks that were opened. */
  readonly patterns: readonly string[]
  readonly blocks: readonly StoredBlock[]
  /** By block: what is said to the daemon about possession without loading a document. */
  readonly own: readonly (StoredOwn & { readonly address: BlockAddress; readonly generation: number })[]
  /** Greater than the position of every change in the store. */
  readonly nextPosition: number
}

/** Changes that are kept aside and are not taken from the unsettled ones. */
export interface NewAside {
  /** Of the first; it and those of the others are free. */
  readonly position: number
  readonly code: string
  readonly detail: string | undefined
  readonly changes: readonly Uint8Array[]
}

export type StoreWrite =
  | { readonly kind: 'welcome'; readonly welcome: StoredWelcome }
  | { readonly kind: 'replica'; readonly replica: ReplicaId }
  | { readonly kind: 'patterns'; readonly patterns: readonly string[] }
  /** Everything up to the cursor was handed over before. */
  | { readonly kind: 'cursor'; readonly cursor: Uint8Array }
  | {
      readonly kind: 'block'
      readonly address: BlockAddress
      readonly schema: string
      /** Undefined leaves the one that is known. */
      readonly generation: number | undefined
      /** Of the generation; together with it. */
      readonly sealed?: StoredSealed
      /** What is to be said of it once it is made; while no daemon has said anything of it. */
      readonly wanted?: BlockMeta
      /** Log position of what was said. @default nowhere */
      readonly seen?: number
    }
  | {
      readonly kind: 'changes'
      readonly address: BlockAddress
      readonly isUnsettled: boolean
      /** Of the first change; the others follow without a gap. */
      readonly position: number
      readonly chunks: Uint8Array
      /** Of each chunk, in bytes. */
      readonly lengths: readonly number[]
      readonly own: StoredOwn | undefined
      /** What came with them, oldest first for each actor. */
      readonly tips: readonly StoredTip[]
      /** Highest log position among them; 0 for what was made here. */
      readonly seen: number
    }
  /** An Automerge document that holds all there is of a block but unsettled changes; only for a block without any. */
  | { readonly kind: 'snapshot'; readonly address: BlockAddress; readonly bytes: Uint8Array; readonly changes: number }
  /** The unsettled changes of a block between two positions, both included, are durable at the daemon. */
  | { readonly kind: 'settled'; readonly address: BlockAddress; readonly from: number; readonly to: number }
  /** The unsettled changes of a block from a position on were refused for good. */
  | {
      readonly kind: 'aside'
      readonly address: BlockAddress
      readonly from: number
      readonly code: string
      readonly detail: string | undefined
      /** Newest change of each own actor of what is left. */
      readonly own: readonly StoredOwn[]
    }
  /** The block begins again from its schema: the address holds another generation now. */
  | { readonly kind: 'reset'; readonly address: BlockAddress; readonly aside: NewAside | undefined }
  /** Changes were taken out of a block: this is all that is left but for unsettled changes. */
  | {
      readonly kind: 'rewritten'
      readonly address: BlockAddress
      /** An Automerge document that was loaded again. */
      readonly snapshot: Uint8Array
      readonly changes: number
      readonly own: readonly StoredOwn[]
      /** Positions of unsettled changes that were taken out. */
      readonly dropped: readonly number[]
      readonly aside: NewAside
      /** Log position at which they were set aside. @default nowhere */
      readonly seen?: number
    }
  /** The author has seen what was kept aside. */
  | { readonly kind: 'drop-aside'; readonly address: BlockAddress; readonly id: number }
  /** The block is nobody's concern any more: what is stored of it goes, but for what was set aside. */
  | { readonly kind: 'tips'; readonly address: BlockAddress; readonly tips: readonly StoredTip[] }
  | { readonly kind: 'forget'; readonly address: BlockAddress }
  | {
      readonly kind: 'gone'
      readonly address: BlockAddress
      readonly reason: string | undefined
      /** Log position of that. @default nowhere */
      readonly seen?: number | undefined
    }

export interface ReplicaStore {
  readonly state: StoreState
  /**
   * In one transaction, after those handed over before. Resolves when it is durable.
   * @throws `storage-full`: nothing of it was written, and it may be handed over again; `storage-failed`: the store can
   * promise nothing any more
   */
  write(writes: readonly StoreWrite[]): Promise<void>
  /** What is stored of a block, after every write handed over before. @throws `database-corrupt`, `storage-failed` */
  read(address: BlockAddress): Promise<StoredContent>
  /** After every write handed over before. Never rejects. */
  close(): Promise<void>
}

export interface StoreInit {
  /** Absolute path of the file. */
  readonly path: string
  readonly daemon: PeerId
  /** Taken when the store is new, or was copied from another place: two stores must not use one id. */
  readonly replica: ReplicaId
  /** Largest size of the file, for tests of a full disk. @default no limit but the disk */
  readonly maxPages?: number
  /**
   * Pages of the write-ahead log that are folded back without waiting for a quiet moment.
   * @default 1,000, four megabytes
   */
  readonly walPages?: number
  /** Changes of a block that are folded also while it is written to. @default 200_000 */
  readonly foldBusyAt?: number
}
