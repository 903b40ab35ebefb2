/** The package: what is published, what is installed for it, and what its texts must not say. */
import { statSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { files, read, root } from './sources.ts'

interface Manifest {
  readonly bin: Record<string, string>
  readonly exports: Record<string, Record<string, string>>
  readonly files: readonly string[]
  readonly scripts: Record<string, string>
  readonly allowScripts: Record<string, boolean>
  readonly dependencies: Record<string, string>
  readonly engines: { readonly node: string }
}
interface Lock {
  readonly packages: Record<
    string,
    { readonly resolved?: string; readonly hasInstallScript?: boolean; readonly version?: string }
  >
}

const manifest = JSON.parse(read('package.json')) as Manifest
const lock = JSON.parse(read('package-lock.json')) as Lock
const compiler = JSON.parse(read('tsconfig.json')) as { compilerOptions: { paths: Record<string, string[]> } }
/** Folders that the build compiles to `dist/`. */
const built = ['protocol', 'plugin-sdk', 'daemon']

describe('what is exported', () => {
  it.each(Object.entries(manifest.exports))('%s is a source and what the build makes of it', (name, conditions) => {
    const source = conditions['mooring-source'] ?? ''
    const path = source.replace(/^\.\//, '').replace(/\.ts$/, '')
    expect(files).toContain(`${path}.ts`)
    expect(built).toContain(path.split('/')[0])
    // The order is the order of preference: a condition after `default` is never looked at.
    expect(Object.entries(conditions)).toEqual([
      ['mooring-source', source],
      ['types', `./dist/${path}.d.ts`],
      ['default', `./dist/${path}.js`],
    ])
    expect(compiler.compilerOptions.paths[name.replace(/^\./, 'mooring')]).toEqual([source])
  })

  it('has no name that only the compiler or only the tests know', () => {
    const names = Object.keys(manifest.exports).map((name) => name.replace(/^\./, 'mooring'))
    expect(Object.keys(compiler.compilerOptions.paths).sort()).toEqual(names.sort())
    const aliases = [...read('vitest.config.ts').matchAll(/'(mooring\/[a-z/-]+)':/g)].map((match) => match[1])
    expect(aliases.sort()).toEqual(names.sort())
  })

  it('is in the files of the package, as are the command and the licence', () => {
    expect(manifest.files).toEqual(expect.arrayContaining(['dist', 'bin', 'README.md', 'LICENSE']))
    for (const folder of built) expect(read('scripts/build.ts')).toContain(`'${folder}'`)
  })

  it('has a command that can be run', () => {
    for (const path of Object.values(manifest.bin)) {
      expect(read(path)).toMatch(/^#!\/usr\/bin\/env node\n/)
      expect(statSync(root + path).mode & 0o111).not.toBe(0)
    }
  })

  it('has SQL files that the build copies', () => {
    const sql = files.filter((file) => built.includes(file.split('/')[0] ?? '') && /\.sql$/.test(file))
    expect(sql.length).toBeGreaterThan(0)
    const folders = new Set(sql.map((file) => file.replace(/\/[^/]+$/, '')))
    for (const folder of folders) expect(read('scripts/build.ts')).toContain(`'${folder}'`)
  })

  it('reads no other file that the build would leave behind', () => {
    const inBuilt = files.filter((file) => built.includes(file.split('/')[0] ?? ''))
    // Those are for people, and are in the package as they are.
    const other = inBuilt.filter((file) => !/^protocol\/json-schema\/|\.(?:ts|sql|md)$/.test(file))
    expect(other).toEqual([])
  })
})

describe('what is installed', () => {
  it('comes from wherever the registry of the user is', () => {
    expect(
      Object.entries(lock.packages).filter(([, { resolved }]) => resolved !== undefined && /^https?:/.test(resolved)),
    ).toEqual([])
  })

  it('runs the install scripts that were looked at, and no other', () => {
    const scripted = Object.entries(lock.packages)
      .filter(([, { hasInstallScript }]) => hasInstallScript === true)
      .map(([path]) => path.replace(/^.*node_modules\//, ''))
    expect([...new Set(scripted)].filter((name) => !Object.hasOwn(manifest.allowScripts, name))).toEqual([])
  })

  it('is what the manifest asks for', () => {
    for (const name of Object.keys(manifest.dependencies)) {
      expect(lock.packages[`node_modules/${name}`]?.version, name).toBeDefined()
    }
  })
})

describe('scripts', () => {
  it('name files that exist', () => {
    const named = Object.values(manifest.scripts).flatMap((script) => script.match(/[\w/-]+\.(?:ts|js)\b/g) ?? [])
    expect(named.filter((file) => !files.includes(file))).toEqual([])
  })
})

describe('texts', () => {
  // In pieces, so that this file does not find itself.
  const machinePath = new RegExp(`(?<![\\w.~-])/(?:${['work', 'root'].join('|')})/`)
  const homePath = new RegExp(`(?<![\\w.~-])/${'home'}/[a-z]`)
  const tempPath = new RegExp(`(?<![\\w.~-])/${'tmp'}\\b`)
  const registry = new RegExp(['registry\\.npm' + 'js', 'npm\\.pkg\\.' + 'github', 'registry\\.yarn' + 'pkg'].join('|'))
  const notes = new RegExp(['pit' + 'falls', 'des' + 'ign', 'sty' + 'le'].map((name) => `\\b${name}\\.md\\b`).join('|'))
  const sections = new RegExp(`\\b(?:des${''}ign|sty${''}le|pit${''}falls) §`)

  const found = (form: RegExp, isLooked: (file: string) => boolean): string[] =>
    files.filter((file) => isLooked(file) && form.test(read(file)))
  const everywhere = (): boolean => true
  const outsideTests = (file: string): boolean => !file.startsWith('test/')

  it('name no path of the machine they were written on', () => {
    expect(found(machinePath, everywhere)).toEqual([])
    // Tests have people with homes.
    expect(found(homePath, outsideTests)).toEqual([])
  })

  it('name the temporary folder only where its path is short enough for a socket', () => {
    expect(found(tempPath, outsideTests)).toEqual(['protocol/places.ts'])
  })

  it('name no registry', () => expect(found(registry, everywhere)).toEqual([]))

  it('name no note that a reader does not have', () => {
    expect(found(notes, everywhere)).toEqual([])
    expect(found(sections, everywhere)).toEqual([])
  })

  it('are whole: no file is left of a merge, and each ends with a line break', () => {
    const texts = files.filter((file) => /\.(?:ts|js|md|json|sql)$/.test(file) && !file.startsWith('test/vectors/'))
    expect(texts.filter((file) => /^(?:<{7}|>{7}) /m.test(read(file)))).toEqual([])
    expect(texts.filter((file) => !read(file).endsWith('\n'))).toEqual([])
  })
})
