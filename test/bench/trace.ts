/** The recorded editing session as the workloads use it: a beginning of it, in changes of one or more edits. */
import { createHash } from 'node:crypto'
import { type Edit, loadAutomergePaper, type SequentialTrace } from '../fixtures/traces.ts'

/** The first edits, `perChange` in one group. */
export function groupEdits({ txns }: SequentialTrace, upTo: number, perChange: number): Edit[][] {
  const edits = txns.slice(0, upTo).flatMap(({ patches }) => patches)
  const groups: Edit[][] = []
  for (let from = 0; from < edits.length; from += perChange) groups.push(edits.slice(from, from + perChange))
  return groups
}

export interface FinalText {
  readonly length: number
  readonly sha256: string
}

/** What every replica must come to after the first edits, made without any of the subjects. */
export function finalText(upTo: number): FinalText {
  const trace = loadAutomergePaper()
  const chars: string[] = []
  for (const [at, removed, inserted] of groupEdits(trace, upTo, upTo).flat()) chars.splice(at, removed, ...inserted)
  const text = upTo >= trace.txns.length ? trace.endContent : chars.join('')
  return { length: text.length, sha256: createHash('sha256').update(text).digest('hex') }
}
