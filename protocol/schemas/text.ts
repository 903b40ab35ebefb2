/** One text that several people and plugins write in together. */
import { checkContainer, checkKeys } from './checks.ts'
import { defineSchema } from './define.ts'
import { formatPlain } from './plain.ts'

export interface TextValue {
  text: string
}

export const textSchema = defineSchema<TextValue>({
  name: 'text',
  summary: 'One text; concurrent edits are merged character by character.',
  options: [],
  initial: {
    bytes:
      '856f4a83065f1670012f0010537c4d4f209395ba9c5216f55f52744e010100000005150634014202560270027f0474657874017f047f007f00',
    actor: '537c4d4f209395ba9c5216f55f52744e',
    seq: 1,
    hash: '065f16705e2dd5a743fb5470edd582297b954f02587d1815069996203851a171',
    maxOp: 1,
    ops: 1,
    objects: [{ id: '1@537c4d4f209395ba9c5216f55f52744e', type: 'text', depth: 1 }],
  },
  *check(root) {
    yield* checkContainer(root, 'text', 'text')
    yield* checkKeys(root, ['text'])
  },
  describe: ({ text = '' }) => (typeof text === 'string' ? text : formatPlain(text)),
})
