/**
 * The rules that a change must keep before Automerge may see it, each with an id and one sentence. A refusal always
 * names the rule and never echoes a value out of the change, so that hostile bytes cannot reach a log or a terminal.
 *
 * Why so strict: Automerge applies many changes whose document can never be loaded again (another encoding of the same
 * columns, references to operations that do not exist), and run lengths let a hundred bytes declare billions of
 * operations. What Automerge's own encoder never writes is therefore not a change here.
 */
import { type ErrorCode, MooringError } from '../errors.ts'

const ruleTable = {
  'change-bytes': { code: 'change-too-large', says: 'a change is at most maxChangeBytes long' },
  'expanded-bytes': { code: 'change-too-large', says: 'a change expands to at most maxExpandedBytes' },
  'op-count': { code: 'change-too-large', says: 'a change has at most maxOpsPerFrame operations' },
  'pred-count': { code: 'change-too-large', says: 'a change names at most twice maxOpsPerFrame predecessors' },
  'dep-count': { code: 'change-too-large', says: 'a change has at most maxDeps dependencies' },
  'actor-count': { code: 'change-too-large', says: 'a change names at most maxActorsPerChange other actors' },
  'op-counter': { code: 'change-too-large', says: 'operation counters and sequence numbers end at maxOpCounter' },
  'run-changes': { code: 'change-too-large', says: 'a frame holds at most maxChangesPerFrame changes' },
  'run-ops': {
    code: 'change-too-large',
    says: 'the changes of a frame have at most maxOpsPerFrame operations together',
  },
  'run-bytes': { code: 'change-too-large', says: 'the changes of a frame expand to at most maxExpandedBytes together' },

  magic: { code: 'bad-change', says: 'a chunk begins with the four magic bytes' },
  'chunk-type': { code: 'bad-change', says: 'only change chunks and compressed change chunks are taken' },
  truncated: { code: 'bad-change', says: 'the bytes end before the change does' },
  'trailing-bytes': { code: 'bad-change', says: 'nothing follows a change in its chunk' },
  deflate: { code: 'bad-change', says: 'a compressed change is one complete deflate stream' },
  checksum: { code: 'bad-change', says: 'the checksum is the beginning of the hash of the expanded change' },
  leb128: { code: 'bad-change', says: 'every number has its shortest encoding' },
  'number-range': { code: 'bad-change', says: 'a number is above the largest exact integer' },
  utf8: { code: 'bad-change', says: 'text is valid UTF-8' },

  'dep-order': { code: 'bad-change', says: 'dependencies are unique and ascending' },
  'dep-missing': { code: 'bad-change', says: 'a change that is not the first of its actor has a dependency' },
  'actor-length': { code: 'bad-change', says: 'an actor id has between 1 and 64 bytes' },
  'first-number': { code: 'bad-change', says: 'sequence numbers and operation counters begin at 1' },
  'actor-order': { code: 'bad-change', says: 'other actors are unique and ascending' },
  'actor-author': { code: 'bad-change', says: 'the author is not among the other actors' },
  'actor-unused': { code: 'bad-change', says: 'every other actor is used by an operation' },
  'actor-index': { code: 'bad-change', says: 'an operation names an actor that the change lists' },

  'column-order': { code: 'bad-change', says: 'columns are unique and ascending' },
  'column-unknown': { code: 'bad-change', says: 'a change has only the columns of change operations' },
  'column-deflated': { code: 'bad-change', says: 'the columns of a change are not compressed by themselves' },
  'column-empty': {
    code: 'bad-change',
    says: 'a column without bytes, or with nothing but absent values, is left out',
  },
  'column-required': {
    code: 'bad-change',
    says: 'operations need the columns insert, action, value type and predecessor count',
  },
  'column-rows': { code: 'bad-change', says: 'every column has one row for each operation' },
  'run-canonical': { code: 'bad-change', says: 'runs are encoded as Automerge writes them' },
  'boolean-canonical': { code: 'bad-change', says: 'runs of truth values are encoded as Automerge writes them' },
  'null-row': { code: 'bad-change', says: 'the action, value type and predecessors of an operation are never absent' },

  'action-unknown': { code: 'bad-change', says: 'the action of an operation is known' },
  'value-type': { code: 'bad-change', says: 'the type of a value is known' },
  'value-length': { code: 'bad-change', says: 'the values fill the value column exactly' },
  'value-form': { code: 'bad-change', says: 'a value has the form of its type' },
  'value-misplaced': { code: 'bad-change', says: 'only set, inc and mark carry a value' },
  'object-id': { code: 'bad-change', says: 'an object is named by actor and counter, or is the root' },
  'object-kind': { code: 'bad-change', says: 'maps are written by key, lists and texts by element' },
  'object-missing': { code: 'bad-change', says: 'an object of the same change was made by an earlier operation' },
  'key-form': { code: 'bad-change', says: 'an operation has either a map key or an element' },
  'key-proto': { code: 'bad-change', says: 'the map key __proto__ is not taken' },
  'key-head': { code: 'bad-change', says: 'only an insertion refers to the head of a list' },
  'key-missing': { code: 'bad-change', says: 'an element of the same change was inserted into the same object before' },
  'future-reference': { code: 'bad-change', says: 'an operation refers only to earlier operations' },
  'reference-order': {
    code: 'bad-change',
    says: 'an element is younger than its object, a value younger than its element',
  },
  'insert-action': { code: 'bad-change', says: 'only set, make and mark insert, and only into lists and texts' },
  'insert-pred': { code: 'bad-change', says: 'an insertion has no predecessor' },
  'pred-missing': { code: 'bad-change', says: 'del, inc and the change of an element have a predecessor' },
  'pred-order': { code: 'bad-change', says: 'the predecessors of an operation are unique and ascending' },
  'pred-key': { code: 'bad-change', says: 'a predecessor of the same change has the same object and key' },
  'pred-action': { code: 'bad-change', says: 'a predecessor of the same change is a value' },
  'inc-value': { code: 'bad-change', says: 'an increment is an integer' },
  'inc-counter': { code: 'bad-change', says: 'an increment of the same change refers to a counter' },
  'mark-form': { code: 'bad-change', says: 'a mark is an insertion, and only marks have a name or expand' },
  'mark-pair': { code: 'bad-change', says: 'the begin of a mark is followed at once by its end in the same object' },
  'mark-order': { code: 'bad-change', says: 'the end of a mark lies behind its begin' },
  'time-range': { code: 'bad-change', says: 'the time is an exact integer' },
} as const satisfies Record<string, { code: ErrorCode; says: string }>

/** Id of a rule; every refusal's detail begins with it. */
export type StructureRule = keyof typeof ruleTable

/** Every rule that {@link readChange}, `splitChunks` or `checkRun` can refuse by. */
export const structureRules = Object.keys(ruleTable) as readonly StructureRule[]

/** @throws `bad-change` or `change-too-large`; the detail is `<rule>: <sentence>`. */
export function refuse(rule: StructureRule): never {
  const { code, says } = ruleTable[rule]
  throw new MooringError(code, { detail: `${rule}: ${says}` })
}
