/** Says in one sentence that the runtime is too old, before something that it lacks fails in a puzzling way. */

/** As `engines` of the package says. */
const minimum = [22, 18] as const

/** The sentence, or undefined when the version will do. */
export function tooOld(version: string, name: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isEnough = major > minimum[0] || (major === minimum[0] && minor >= minimum[1])
  return isEnough ? undefined : `${name} needs Node.js ${minimum.join('.')} or newer; this is ${version}.`
}
