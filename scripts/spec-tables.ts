/** Every table of the wire specification, made from the declarations. A protocol that is added brings its tables along. */

import { MooringError } from '../protocol/errors.ts'
import {
  controlProtocol,
  errorTable,
  type FrameTable,
  grantTable,
  limitTable,
  type Need,
  type Protocol,
  pluginProtocols,
  type RpcProtocol,
  rpcFrames,
  schemaTable,
} from '../protocol/index.ts'
import { refuse, structureRules } from '../protocol/sync/structure-rules.ts'
import { examples } from './spec-examples.ts'
import { type FieldRow, fieldsOf, number, shapeKey } from './spec-fields.ts'
import { sharedRecords, sharedValues } from './spec-shapes.ts'

const protocols: Readonly<Record<string, Protocol>> = { ...pluginProtocols, control: controlProtocol }

type Row = readonly string[]

function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** A table whose rows belong together by their first cells: what repeats is left blank, which is easier to read. */
function grouped(head: Row, rows: readonly Row[], columns: number): string {
  const shown = rows.map((row, index) => {
    const above = rows[index - 1]
    let isSame = above !== undefined
    return row.map((cell, column) => {
      isSame &&= column < columns && cell === above?.[column]
      return isSame ? '' : cell
    })
  })
  return table(head, shown)
}

const code = (text: string): string => `\`${text}\``
const codes = (list: readonly string[]): string => list.map(code).join(', ')

/** Each record under its name, but never inside its own table. */
const records = new Map(Object.entries(sharedRecords).map(([name, schema]) => [shapeKey(schema), name]))

const fieldCells = ({ field, type, must }: FieldRow): Row => [code(field), type, must]

function opTable({ ops }: RpcProtocol): string {
  return table(
    ['Operation', 'Kind', 'What', 'Needs', 'Codes of its own'],
    Object.entries(ops).map(([name, op]) => [
      code(name),
      op.kind === 'unary' ? 'one answer' : 'stream of items',
      op.summary,
      needOf(op.needs),
      codes(op.errors),
    ]),
  )
}

function needOf(needs: Need<never> | null): string {
  if (needs === null) return 'nothing'
  return code(`${needs.area}:${needs.right}${needs.scope ? ':…/*' : needs.subject ? ':…' : ''}`)
}

function opFields({ ops }: RpcProtocol): string {
  const rows: Row[] = []
  for (const [name, op] of Object.entries(ops)) {
    const answer = op.kind === 'unary' ? { says: 'answer', schema: op.output } : { says: 'item', schema: op.item }
    for (const { says, schema } of [{ says: 'input', schema: op.input }, answer]) {
      const fields = fieldsOf(schema, records)
      if (fields.length === 0) rows.push([code(name), says, '', 'empty map', ''])
      for (const row of fields) rows.push([code(name), says, ...fieldCells(row)])
    }
  }
  return grouped(['Operation', 'In', 'Field', 'Type', 'Must be there'], rows, 2)
}

function frameFields(frames: FrameTable): string {
  const rows: Row[] = []
  for (const [type, schema] of Object.entries(frames)) {
    const fields = fieldsOf(schema, records)
    if (fields.length === 0) rows.push([code(type), '', '', ''])
    for (const row of fields) rows.push([code(type), ...fieldCells(row)])
  }
  return grouped(['Frame', 'Field', 'Type', 'Must be there'], rows, 1)
}

/** The sentence of a rule is known only to its refusal. */
function ruleRow(rule: (typeof structureRules)[number]): Row {
  try {
    return refuse(rule)
  } catch (error) {
    if (!(error instanceof MooringError)) throw error
    return [code(rule), (error.detail ?? '').slice(rule.length + 2), code(error.code)]
  }
}

/** Each table by the name in its marker. */
export function specTables(): ReadonlyMap<string, string> {
  const tables = new Map<string, string>()
  tables.set(
    'protocols',
    table(
      ['Id', 'Dialled by', 'Carries'],
      Object.values(protocols).map(({ id, dialledBy, kind }) => [
        code(id),
        dialledBy === 'operator' ? 'the command line, over a local socket' : `the ${dialledBy}`,
        kind === 'rpc' ? 'calls' : 'frames both ways',
      ]),
    ),
  )
  tables.set(
    'limits',
    table(
      ['Limit', 'Value', 'Unit', 'Why'],
      Object.entries(limitTable).map(([name, { value, unit, reason }]) => [code(name), number(value), unit, reason]),
    ),
  )
  tables.set(
    'errors',
    table(
      ['Code', 'Category', 'The other side is told', 'Retry', 'Exit code'],
      Object.entries(errorTable).map(([name, row]) => [
        code(name),
        row.category,
        row.remote,
        row.retryable ? 'yes' : 'no',
        String(row.exit),
      ]),
    ),
  )
  tables.set(
    'grants',
    table(
      ['Grant', 'Pattern', 'Who has it may'],
      Object.entries(grantTable).flatMap(([area, rights]) =>
        Object.entries<{ form: string; meaning: string }>(rights).map(([right, { form, meaning }]) => [
          code(`${area}:${right}${form === 'none' ? '' : ':<pattern>'}`),
          form,
          meaning.replace('{}', 'what the pattern names'),
        ]),
      ),
    ),
  )
  tables.set(
    'schemas',
    table(
      ['Schema', 'Version', 'What', 'Hash of its initial change', 'The initial change, hex'],
      Object.values(schemaTable).map(({ name, version, summary, initial }) => [
        code(name),
        String(version),
        summary,
        code(initial.hash),
        code(Buffer.from(initial.bytes).toString('hex')),
      ]),
    ),
  )
  tables.set(
    'values',
    table(
      ['Value', 'Form', 'Meaning'],
      sharedValues.map(({ name, form, meaning }) => [name, form === '' ? '' : code(form), meaning]),
    ),
  )
  tables.set(
    'records',
    grouped(
      ['Record', 'Field', 'Type', 'Must be there'],
      Object.entries(sharedRecords).flatMap(([name, schema]) =>
        fieldsOf(schema, new Map([...records].filter(([, other]) => other !== name))).map((row) => [
          name,
          ...fieldCells(row),
        ]),
      ),
      1,
    ),
  )
  tables.set('rules', table(['Rule', 'Sentence', 'Code'], structureRules.map(ruleRow)))
  tables.set(
    'examples',
    table(
      ['What', 'Comes out as'],
      examples().map(([what, value]) => [what, code(value)]),
    ),
  )
  tables.set('rpc-caller', frameFields(rpcFrames.dialler))
  tables.set('rpc-answerer', frameFields(rpcFrames.listener))
  for (const [name, protocol] of Object.entries(protocols)) {
    if (protocol.kind === 'rpc') {
      tables.set(`${name}-operations`, opTable(protocol))
      tables.set(`${name}-fields`, opFields(protocol))
    } else {
      tables.set(`${name}-dialler`, frameFields(protocol.dialler))
      tables.set(`${name}-listener`, frameFields(protocol.listener))
    }
  }
  return tables
}
