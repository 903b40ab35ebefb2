/** Door `mooring/protocol/sync`: block sync. Loads no CRDT engine. */
export * from './actor.ts'
export * from './admit.ts'
export * from './change-structure.ts'
export * from './document-bounds.ts'
export * from './frames.ts'
export * from './run.ts'
export * from './session.ts'
export * from './split.ts'
