/** The files of the project and what they import. The tests of the rules read them as text, so a rule cannot be bypassed by a type. */
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Made by tools, or recorded input: not written here. */
const skipped = new Set(['node_modules', 'dist', 'coverage', '.git', '.mooring', 'test/fixtures/data'])

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(root + folder, { withFileTypes: true })) {
    const path = posix.join(folder, entry.name)
    if (skipped.has(path) || skipped.has(entry.name)) continue
    if (entry.isDirectory()) yield* walk(path)
    else if (!entry.name.endsWith('.tgz')) yield path
  }
}

/** Every file, by its path from the root, in order. */
export const files: readonly string[] = [...walk('')].sort()

export const read = (file: string): string => readFileSync(root + file, 'utf8')

const codeFolders = ['protocol/', 'plugin-sdk/', 'daemon/', 'bin/', 'examples/', 'scripts/']

/** Everything that runs outside of tests. */
export const sources: readonly string[] = files.filter(
  (file) => /\.(?:ts|js)$/.test(file) && codeFolders.some((folder) => file.startsWith(folder)),
)

export interface Import {
  readonly importer: string
  /** Path of a file of the project, or the name of a package with what follows it, or `node:…`. */
  readonly target: string
  /** True for `import type` and `export type`, which leave nothing to load. */
  readonly isType: boolean
}

const importForms = [
  /^(?:import|export)\s+(?<type>type\s+)?(?:[\w*\s{},]+?\sfrom\s+)?'(?<spec>[^'\n]+)'/gm,
  /\bimport\('(?<spec>[^'\n]+)'\)/g,
  /\bimport\.meta\.resolve\('(?<spec>[^'\n]+)'\)/g,
]

/** What a file imports, wherever in it. */
export function importsOf(importer: string, text: string = read(importer)): Import[] {
  return importForms.flatMap((form) =>
    [...text.matchAll(form)].map(({ groups = {} }) => {
      const spec = groups.spec ?? ''
      const target = spec.startsWith('.') ? posix.join(posix.dirname(importer), spec) : spec
      return { importer, target, isType: groups.type !== undefined }
    }),
  )
}

export const imports: readonly Import[] = sources.flatMap((file) => importsOf(file))

/** `@scope/name` or `name` of a package; undefined for files of the project and for what Node brings along. */
export function packageOf(target: string): string | undefined {
  if (files.includes(target) || target.startsWith('node:') || target.startsWith('mooring/')) return undefined
  return /^(?:@[^/]+\/)?[^/]+/.exec(target)?.[0]
}

/** Text without comments: what a rule about code looks at. */
export const codeOf = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
