/**
 * What is said of a block beside its content. Whatever else comes to be said of a block (its access, its limit of characters)
 * is a field here, in its shape (`shapes.ts`) and in each function.
 */
import type { SchemaOptions } from './schemas/options.ts'
import { formatLine } from './schemas/plain.ts'

/** As a change of it: what is not named stays. */
export interface BlockMeta {
  /** What the block is for; an empty one is none. */
  readonly description?: string | undefined
  /** What the block asks of its content beyond its schema; empty ones are none. As a whole: a change replaces all of them. */
  readonly options?: SchemaOptions | undefined
}

/** What is said once the change is made, always in the same form. */
export function patched(meta: BlockMeta, patch: BlockMeta): BlockMeta {
  const description = patch.description ?? meta.description ?? ''
  const options = patch.options ?? meta.options ?? {}
  return {
    ...(description === '' ? {} : { description }),
    ...(Object.keys(options).length === 0 ? {} : { options }),
  }
}

/** The change that makes exactly this of whatever was said before. */
export const wholePatch = ({ description = '', options = {} }: BlockMeta): BlockMeta => ({ description, options })

export const isSameMeta = (a: BlockMeta, b: BlockMeta): boolean =>
  (a.description ?? '') === (b.description ?? '') && asText(a.options) === asText(b.options)

/** In whatever order it was written, on whichever way it came here. */
const asText = (options: SchemaOptions = {}): string => formatLine(JSON.parse(JSON.stringify(options)))
