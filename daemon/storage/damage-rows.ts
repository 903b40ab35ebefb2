/** The part of the port that tells of damage, and looks for it. */
import type { BlockId } from './storage.ts'

/** A row that does not fit its checksum. Nothing of it is served. */
export interface DamagedRow {
  readonly table: string
  /** Tells it from the others of its table, as far as it can be believed. */
  readonly key: string
  /** The block that it belongs to, likewise. */
  readonly block: BlockId | undefined
}

/** How far a store was looked through. */
export interface CheckPosition {
  readonly part: 'log' | 'events' | 'blocks' | 'archive'
  /** Rows behind this one. */
  readonly after: number
}
