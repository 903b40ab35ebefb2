/**
 * What is said of a block beside its content. Whatever else comes to be said of a block (its limit of characters) is a field
 * here, in its shape (`shapes.ts`) and in each function. What a field says by default is left out: what was said before there
 * was such a field, and sealed so, stays as it is.
 */
import type { SchemaOptions } from './schemas/options.ts'
import { formatLine } from './schemas/plain.ts'

/** What an agent always has before it, and what it works with. The first is the default. */
export const blockKinds = ['working', 'core'] as const
export type BlockKind = (typeof blockKinds)[number]

/** As a change of it: what is not named stays. */
export interface BlockMeta {
  /** What the block is for; an empty one is none. */
  readonly description?: string | undefined
  /** What the block asks of its content beyond its schema; empty ones are none. As a whole: a change replaces all of them. */
  readonly options?: SchemaOptions | undefined
  readonly kind?: BlockKind | undefined
  /** Whether it stays at hand, whatever else comes and goes. */
  readonly pinned?: boolean | undefined
}

/** What is said once the change is made, always in the same form. */
export function patched(meta: BlockMeta, patch: BlockMeta): BlockMeta {
  const { description, options, kind, pinned } = wholeMeta({ ...wholeMeta(meta), ...named(patch) })
  return {
    ...(description === '' ? {} : { description }),
    ...(Object.keys(options).length === 0 ? {} : { options }),
    ...(kind === blockKinds[0] ? {} : { kind }),
    ...(pinned ? { pinned } : {}),
  }
}

/** Everything that is said of a block, and what is said by default. */
export const wholeMeta = (meta: BlockMeta): WholeMeta => ({
  description: meta.description ?? '',
  options: meta.options ?? {},
  kind: meta.kind ?? blockKinds[0],
  pinned: meta.pinned ?? false,
})

type WholeMeta = { readonly [Field in keyof BlockMeta]-?: NonNullable<BlockMeta[Field]> }

export function isSameMeta(a: BlockMeta, b: BlockMeta): boolean {
  const [one, other] = [wholeMeta(a), wholeMeta(b)]
  return (
    one.description === other.description &&
    asText(one.options) === asText(other.options) &&
    one.kind === other.kind &&
    one.pinned === other.pinned
  )
}

const named = (patch: BlockMeta): BlockMeta =>
  Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined))

/** In whatever order it was written, on whichever way it came here. */
const asText = (options: SchemaOptions): string => formatLine(JSON.parse(JSON.stringify(options)))
