/** What the documents say is true: tables are what the declarations say, links lead somewhere, each folder has its law. */
import { existsSync } from 'node:fs'
import { posix } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  controlProtocol,
  errorCodes,
  errorTable,
  limitTable,
  type Protocol,
  pluginProtocols,
} from '../../protocol/index.ts'
import { admissionRules, structureRules, syncFrames } from '../../protocol/sync/index.ts'
import { schemaFiles } from '../../scripts/schemas.ts'
import { renderSpec } from '../../scripts/spec.ts'
import { sharedValues } from '../../scripts/spec-shapes.ts'
import { specTables } from '../../scripts/spec-tables.ts'
import { files, read, root, sources } from './sources.ts'

const documents = files.filter((file) => file.endsWith('.md'))
const spec = 'protocol/README.md'
const tableForm = /<!-- table: [a-z-]+ -->[\s\S]*?<!-- end -->/g

/** What stands between backticks outside of blocks of code. */
const codeWords = (text: string): string[] =>
  [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '')

describe('the wire specification', () => {
  it('has the tables that the declarations make, and no others', () => {
    // Compared as a whole: npm run spec writes what is missing.
    expect(read(spec)).toBe(renderSpec(read(spec)))
    const markers = [...read(spec).matchAll(/<!-- table: ([a-z-]+) -->/g)].map((match) => match[1] ?? '')
    expect(markers.sort()).toEqual([...specTables().keys()].sort())
  })

  it('is not accepted with a table changed, left out, twice, or unknown', () => {
    const text = read(spec)
    const [first = ''] = text.match(tableForm) ?? []
    expect(renderSpec(text.replace('| `maxFrameBytes` | 262,144 |', '| `maxFrameBytes` | 262,145 |'))).toBe(text)
    expect(() => renderSpec(text.replace(first, ''))).toThrow(/not in the specification: protocols/)
    expect(() => renderSpec(text + first)).toThrow(/twice/)
    expect(() => renderSpec(`${text}<!-- table: no-such -->\n<!-- end -->`)).toThrow(/no table no-such/)
  })

  it('names only limits, fields, codes and rules that exist', () => {
    const tables = new Set(codeWords([...specTables().values()].join('\n')).flatMap((word) => word.split(/[.[\]]+/)))
    const known = new Set<string>([
      ...Object.keys(limitTable),
      ...errorCodes,
      ...structureRules,
      ...admissionRules,
      ...tables,
    ])
    const prose = read(spec).replace(tableForm, '')
    // A limit or field has a capital letter inside, a code or rule a hyphen.
    const names = codeWords(prose).filter((word) => /^[a-z]+[A-Z]\w*$|^[a-z]+(?:-[a-z]+)+$/.test(word))
    expect(names.length).toBeGreaterThan(30)
    expect(names.filter((name) => !known.has(name))).toEqual([])
  })

  it('explains every frame of block sync and every rule of admission', () => {
    const prose = read(spec).replace(tableForm, '')
    const frames = [...Object.keys(syncFrames.dialler), ...Object.keys(syncFrames.listener)]
    const words = new Set(codeWords(prose).flatMap((word) => word.split(/[^a-z-]+/)))
    expect(frames.filter((frame) => !words.has(frame))).toEqual([])
    expect(admissionRules.filter((rule) => !words.has(rule))).toEqual([])
  })

  it('comes with the JSON Schema of every operation and frame, as the declarations make it', () => {
    const made = schemaFiles()
    for (const [name, text] of made) expect(read(`protocol/json-schema/${name}`), 'npm run spec').toBe(text)
    const kept = files.filter((file) => file.startsWith('protocol/json-schema/')).map((file) => posix.basename(file))
    expect(kept.sort()).toEqual([...made.keys()].sort())
    const all = [...made.values()].map((text) => JSON.parse(text) as Record<string, Record<string, object>>)
    for (const protocol of Object.values({ ...pluginProtocols, control: controlProtocol }) as Protocol[]) {
      const { dialler, listener, operations } = all.find((file) => String(file.protocol) === protocol.id) ?? {}
      if (protocol.kind === 'rpc') expect(Object.keys(operations ?? {})).toEqual(Object.keys(protocol.ops))
      else {
        expect(Object.keys(dialler ?? {})).toEqual(Object.keys(protocol.dialler))
        expect(Object.keys(listener ?? {})).toEqual(Object.keys(protocol.listener))
      }
    }
    // What accepts anything says nothing: only the values of a call are of no shape at that level.
    const shapeless = JSON.stringify(all).match(
      /"(?!input"|output"|value"|properties"|additionalProperties")\w+":\{\}/g,
    )
    expect(shapeless).toBeNull()
  })

  it.each(sharedValues.filter(({ pattern }) => pattern !== undefined))(
    'says of a $name what its check says',
    (value) => {
      const { schema, pattern = '' } = value
      const form = new RegExp(pattern)
      const isValid = (text: string): boolean => !('issues' in (schema['~standard'].validate(text) as object))
      const text = fc.stringMatching(form, { size: 'small' })
      const broken = fc
        .tuple(text, fc.nat(), fc.constantFrom('..', '/', ':', ' ', 'A', '', '\n', '-'))
        .map(([of, at, by]) => {
          const from = at % (of.length + 1)
          return of.slice(0, from) + by + of.slice(from + 1)
        })
      fc.assert(
        fc.property(fc.oneof(text, broken), (sample) => {
          // The bounds on the length are said beside the pattern.
          fc.pre(sample.length <= 64)
          expect(isValid(sample)).toBe(form.test(sample))
        }),
      )
    },
  )
})

describe('documents', () => {
  it.each(documents)('%s links to what is there', (file) => {
    const text = read(file).replace(/^```[\s\S]*?^```/gm, '')
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '')
    const broken = targets.filter((target) => {
      if (/^[a-z]+:/.test(target)) return false
      const [path = '', anchor] = target.split('#')
      const at = path === '' ? file : posix.join(posix.dirname(file), path)
      if (!existsSync(root + at)) return true
      return anchor !== undefined && at.endsWith('.md') && !anchorsOf(read(at)).has(anchor)
    })
    expect(broken).toEqual([])
  })

  it.each(documents)('%s names files that are there', (file) => {
    const named = codeWords(read(file)).filter((word) =>
      /^(?:protocol|plugin-sdk|daemon|examples|scripts|test)\/[\w./-]+\.(?:ts|md|sql)$/.test(word),
    )
    expect(named.filter((name) => !files.includes(name))).toEqual([])
  })

  /** Folders described by the README above them, because they are one part of one thing. */
  const described: Readonly<Record<string, string>> = {
    bin: 'one file',
    scripts: 'each is named in package.json and says what it does',
  }
  const folders = [...new Set(sources.map((file) => file.split('/').slice(0, -1)))]
    .flatMap((parts) => [
      parts.slice(0, 1),
      ...(['daemon', 'plugin-sdk'].includes(parts[0] ?? '') ? [parts.slice(0, 2)] : []),
    ])
    .map((parts) => parts.join('/'))
  const lawful = [...new Set([...folders, 'test'])].filter((folder) => !Object.hasOwn(described, folder)).sort()

  it.each(lawful)('of %s begin with its law', (folder) => {
    expect(files, `${folder}/README.md is missing`).toContain(`${folder}/README.md`)
    const [first = ''] = read(`${folder}/README.md`)
      .split('\n\n')
      .filter((part) => !part.startsWith('#'))
    const sentence = first.replace(/\*\*/g, '').replace(/\n/g, ' ')
    expect(sentence).toMatch(/^[A-Z`][^|]+\.(?:$|\s)/)
  })

  it('have no exception that is gone', () => {
    for (const folder of Object.keys(described)) expect(folders).toContain(folder)
  })

  it.each(documents.filter((file) => /^\| Exit code +\|/m.test(read(file))))(
    '%s lists the exit codes there are',
    (file) => {
      const rows = [...read(file).matchAll(/^\| (\d+) +\|/gm)].map((match) => Number(match[1]))
      const codes = new Set<number>([0, ...errorCodes.map((code) => errorTable[code].exit)])
      expect(rows).toEqual([...codes].sort((a, b) => a - b))
    },
  )
})

/** Anchors as GitHub makes them. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.*)$/gm)].map((match) => match[1] ?? '')
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w\s-]/g, '')
        .trim()
        .replace(/\s/g, '-'),
    ),
  )
}

describe('the table of where it is proven that nothing is lost', () => {
  const [, section = ''] = read('test/README.md').split('## Where it is proven that nothing is lost')
  const rows = [
    ...section
      .split('\n## ', 1)
      .join()
      .matchAll(/^\| (.+?) \| (`.+) \|$/gm),
  ]

  it.each(rows.map(([, what = '', where = '']) => [what, where]))('names tests that there are: %s', (_what, where) => {
    const entries = [...where.matchAll(/`([a-z0-9/-]+(?:\.test)?\.ts)` "([^"]+)"/g)]
    // An entry in another form would not be looked for.
    expect(entries.map(([entry]) => entry).join(', ')).toBe(where)
    for (const [, file = '', title = ''] of entries) expect(read(`test/${file}`)).toContain(title)
  })

  it('has the rows that are looked at', () => {
    expect(rows.length).toBeGreaterThan(12)
  })
})
