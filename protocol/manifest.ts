/** What a plugin declares about itself. The operator sees it before approving; unknown fields of a newer SDK survive. */
import { z } from 'zod'
import type { Infer } from './define.ts'
import { parseGrant } from './grants.ts'
import { isName } from './ids.ts'
import { limits } from './limits.ts'

/** A grant string that parses; see `grants.ts` for the form. */
export const grantText = z
  .string()
  .max(limits.maxGrantChars)
  .refine((text) => {
    try {
      parseGrant(text)
      return true
    } catch {
      return false
    }
  }, 'is not a grant; a grant is area:right or area:right:pattern')

export const pluginName = z
  .string()
  .refine((text) => isName(text, limits.maxNameChars), 'must be lower-case letters, digits, ".", "_" or "-"')

export const manifestSchema = z.looseObject({
  /** What the plugin calls itself; the daemon may know it by another name. */
  name: pluginName,
  version: z.string().min(1).max(32),
  description: z.string().max(200).optional(),
  /** The grants it asks for. */
  wants: z.array(grantText).max(limits.maxWants),
})

export type Manifest = Infer<typeof manifestSchema>
