/** Names of plugins. Keeps true: a name that another approved plugin has is never given out a second time. */
import { limits } from '../../protocol/index.ts'

/** `base`, or `base-2`, `base-3` … when it is taken; a long base is cut so that the number fits. */
export function freeName(base: string, isTaken: (name: string) => boolean): string {
  if (!isTaken(base)) return base
  for (let number = 2; ; number++) {
    const ending = `-${number}`
    // What is left of a cut name has to end with a letter or digit, as every name does.
    const name = base.slice(0, limits.maxNameChars - ending.length).replace(/[._-]+$/, '') + ending
    if (!isTaken(name)) return name
  }
}
