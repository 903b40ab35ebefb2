/** Earlier states of a document. Keeps: a state that the document never had is answered as such, and is no failure. */
import { hash } from 'node:crypto'
import type { ChangeHash } from '../../../protocol/ids.ts'
import type { PlainValue, SchemaOptions } from '../../../protocol/schemas/index.ts'
import { render, toPlain } from '../render.ts'
import type { ViewSteps } from '../view-steps.ts'
import { diffValues } from './diff.ts'
import type { Engine } from './timeline.ts'

interface At {
  readonly schema: string
  readonly options: SchemaOptions | undefined
  readonly heads: readonly ChangeHash[]
}

/** The text that people read of an earlier state. */
export function textAt(engine: Engine, { schema, options, heads }: At): ViewSteps['at']['answer'] {
  if (!has(engine, heads)) return undefined
  const text = render(schema, engine.materialize('/', [...heads]), options)
  return { text, textHash: hash('sha256', text) }
}

/** What differs between two states. From what each of them shows: the engine's own patches are wrong where several wrote. */
export function diffStates(
  engine: Engine,
  { from, to }: { readonly from: readonly ChangeHash[]; readonly to: readonly ChangeHash[] | undefined },
): ViewSteps['diff']['answer'] {
  if (!has(engine, from) || !has(engine, to ?? [])) return undefined
  return diffValues(plainAt(engine, from), plainAt(engine, to))
}

const plainAt = (engine: Engine, heads: readonly ChangeHash[] | undefined): PlainValue =>
  toPlain(heads === undefined ? engine.materialize('/') : engine.materialize('/', [...heads]))

const has = (engine: Engine, heads: readonly ChangeHash[]): boolean =>
  heads.every((head) => engine.getChangeMetaByHash(head) !== null)
