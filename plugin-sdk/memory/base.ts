/** What the document of a block begins with. Keeps: every document of a schema has what every version of it added. */
import { type BlockSchema, frozenOf } from '../../protocol/index.ts'
import { headsOf } from './document-chunk.ts'

/** Where a document begins. */
export interface Base {
  /** A saved document, or the first change of a schema. */
  readonly bytes: Uint8Array
  readonly heads: readonly string[]
}

/** What later versions of the schema added is put into each document that is made of it. */
export const firstOf = (schema: BlockSchema): Base => ({
  bytes: schema.initial.bytes,
  heads: frozenOf(schema).map(({ hash }) => hash),
})
export const snapshotBase = (bytes: Uint8Array): Base => ({ bytes, heads: headsOf(bytes) })

/** Actors that every document of the schema has by itself are nothing that a replica holds, or lacks. */
export function isNotOf({ upgrades }: BlockSchema): (held: { readonly actor: string }) => boolean {
  const frozen = new Set<string>(upgrades.map(({ actor }) => actor))
  return ({ actor }) => !frozen.has(actor)
}
