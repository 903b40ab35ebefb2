/** Keeps the tables of `protocol/README.md` equal to the declarations. `npm run spec` writes them again, `--check` compares. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { specTables } from './spec-tables.ts'

/** The specification, with generated tables between `<!-- table: NAME -->` and `<!-- end -->`. */
export const specFile = fileURLToPath(new URL('../protocol/README.md', import.meta.url))

const blockForm = /<!-- table: ([a-z-]+) -->\n[\s\S]*?<!-- end -->/g

/** The text with every table made anew. @throws for a marker without a table, a table without a marker, one used twice */
export function renderSpec(text: string): string {
  const tables = specTables()
  const used = new Set<string>()
  const rendered = text.replace(blockForm, (_, name: string) => {
    const table = tables.get(name)
    if (table === undefined) throw new Error(`there is no table ${name}`)
    if (used.has(name)) throw new Error(`the table ${name} is there twice`)
    used.add(name)
    return `<!-- table: ${name} -->\n\n${table}\n\n<!-- end -->`
  })
  const missing = [...tables.keys()].filter((name) => !used.has(name))
  if (missing.length > 0) throw new Error(`not in the specification: ${missing.join(', ')}`)
  return rendered
}

function main(flags: readonly string[]): number {
  const before = readFileSync(specFile, 'utf8')
  const after = renderSpec(before)
  if (before === after) return 0
  if (flags.includes('--check')) {
    console.error('protocol/README.md is not what the declarations say: npm run spec')
    return 1
  }
  writeFileSync(specFile, after)
  return 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2))
