/**
 * What is said of a block beside its content. Whatever else comes to be said of a block (its access, its limit of characters)
 * is a field here, in its shape (`shapes.ts`) and in each function.
 */

/** As a change of it: what is not named stays. */
export interface BlockMeta {
  /** What the block is for; an empty one is none. */
  readonly description?: string | undefined
}

/** What is said once the change is made, always in the same form. */
export function patched(meta: BlockMeta, patch: BlockMeta): BlockMeta {
  const description = patch.description ?? meta.description ?? ''
  return description === '' ? {} : { description }
}

/** The change that makes exactly this of whatever was said before. */
export const wholePatch = ({ description = '' }: BlockMeta): BlockMeta => ({ description })

export const isSameMeta = (a: BlockMeta, b: BlockMeta): boolean => (a.description ?? '') === (b.description ?? '')
