/** Shapes of an edit of a block by operation, the same for plugins and the operator. */
import { z } from 'zod'
import { limits } from './limits.ts'
import { schemaNames } from './schemas/index.ts'
import { address, blockMeta, changeHash, count } from './shapes.ts'

/** What a step may put into a block. */
export type EditValue =
  | string
  | number
  | boolean
  | null
  | Uint8Array
  | readonly EditValue[]
  | { readonly [key: string]: EditValue }

/** Keys of maps and positions in lists, from the root of the document on; which of both a part is, its container says. */
const path = z
  .array(z.union([z.string().max(256), count]))
  .min(1)
  .max(limits.maxObjectDepth)

const maxDepth = 31

/**
 * A string becomes a text that merges. A map with one key says what JSON cannot: `{"$counter": 3}`, `{"$timestamp":
 * "2026-01-31T12:00:00Z"}`, `{"$bytes": "<base64>"}`.
 */
const value = z
  .custom<EditValue>((given) => isEditValue(given, 0), 'is nothing that a block can hold')
  .meta({ description: 'Any JSON value; {"$counter": 3}, {"$timestamp": "<ISO 8601>"}, {"$bytes": "<base64>"}' })

export const editStep = z.discriminatedUnion('do', [
  /** Puts a value where the path leads. A text, list or map that is there already stays itself and gets the content. */
  z.strictObject({ do: z.literal('set'), path, value }),
  /** Puts an item into a list, before the position that the path ends with; `-` is behind the last one. */
  z.strictObject({ do: z.literal('insert'), path, value }),
  /** Takes characters out of a text at a position and puts others in; positions as in JavaScript, the end without one. */
  z.strictObject({
    do: z.literal('splice'),
    path,
    at: count.optional(),
    remove: count.default(0),
    text: z.string().default(''),
  }),
  z.strictObject({
    do: z.literal('increment'),
    path,
    by: z
      .int()
      .min(-(2 ** 53 - 1))
      .max(2 ** 53 - 1)
      .default(1),
  }),
  z.strictObject({ do: z.literal('delete'), path }),
])
export type EditStep = z.output<typeof editStep>

const steps = z.array(editStep).min(1).max(limits.maxEditSteps)

export const editInput = z.strictObject({
  address,
  /** In order, each on what those before it left; all of them or none. */
  steps,
  /** The state that the edit is meant for: at any other one it is refused. */
  heads: z.array(changeHash).max(limits.maxDeps).optional(),
})

export const editOutput = z.strictObject({
  address,
  generation: count,
  /** The change that was made; absent when the block was like that already. */
  change: changeHash.optional(),
  /** The state with it, for the next edit; what others did meanwhile is not in it. */
  heads: z.array(changeHash).max(limits.maxDeps),
})

export const createInput = z.strictObject({
  address,
  schema: z.enum(schemaNames as readonly ['text', ...typeof schemaNames]),
  meta: blockMeta.optional(),
})

/** Asked again after a lost answer, it answers the same block. */
export const createOutput = z.strictObject({ address, generation: count, isNew: z.boolean() })

function isEditValue(given: unknown, depth: number): boolean {
  if (given === null || typeof given === 'boolean') return true
  if (typeof given === 'number') return Number.isFinite(given)
  if (typeof given === 'string') return given.isWellFormed()
  if (given instanceof Uint8Array) return true
  if (typeof given !== 'object' || depth === maxDepth) return false
  if (Array.isArray(given)) return given.every((item) => isEditValue(item, depth + 1))
  const prototype: unknown = Object.getPrototypeOf(given)
  if (prototype !== null && prototype !== Object.prototype) return false
  return Object.entries(given).every(([key, item]) => key.isWellFormed() && isEditValue(item, depth + 1))
}
