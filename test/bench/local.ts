/**
 * Automerge alone, in this process: no server, no network, no disk. `local.ts replay UPTO PERCHANGE FILE` writes the
 * recorded session and saves it; `cold FILE` loads that; `many COUNT CHARS` loads small documents. Prints milliseconds.
 * What Mooring needs beyond this is Mooring's own cost.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import * as A from '@automerge/automerge'
import { loadAutomergePaper } from '../fixtures/traces.ts'
import { nowMs } from './monotonic.ts'
import { groupEdits } from './trace.ts'

interface Content {
  text: string
}

const [command = '', ...args] = process.argv.slice(2)

function replay(upTo: number, perChange: number, file: string): number {
  const groups = groupEdits(loadAutomergePaper(), upTo, perChange)
  let doc = A.from<{ text: string }>({ text: '' }) as A.Doc<Content>
  const startMs = nowMs()
  for (const edits of groups) {
    doc = A.change(doc, (draft) => {
      for (const [at, removed, inserted] of edits) A.splice(draft, ['text'], at, removed, inserted)
    })
  }
  const tookMs = nowMs() - startMs
  writeFileSync(file, A.save(doc))
  return tookMs
}

function cold(file: string): number {
  const bytes = readFileSync(file)
  const startMs = nowMs()
  if (A.load<Content>(bytes).text.length === 0) throw new Error('an empty text')
  return nowMs() - startMs
}

function many(count: number, chars: number): number {
  // A document each, as the subjects have: one that is loaded again and again would be found in the caches.
  const saved = Array.from({ length: count }, () => A.save(A.from({ text: 'x'.repeat(chars) })))
  const startMs = nowMs()
  const loaded = saved.map((bytes) => A.load<Content>(bytes))
  if (loaded.some((doc) => doc.text.length !== chars)) throw new Error('another text')
  return nowMs() - startMs
}

const took: Readonly<Record<string, () => number>> = {
  replay: () => replay(Number(args[0]), Number(args[1]), args[2] ?? ''),
  cold: () => cold(args[0] ?? ''),
  many: () => many(Number(args[0]), Number(args[1])),
}

process.send?.({ kind: 'ready', tookMs: took[command]?.() })
