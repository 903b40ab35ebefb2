/** Edits by the operator: nobody's right is asked for. */
import type { controlProtocol, Handlers } from '../../../protocol/index.ts'
import type { ControlComponents } from './context.ts'

type EditHandlers = Pick<Handlers<typeof controlProtocol, object>, 'block.create' | 'block.edit'>

export const editHandlers = ({ blockEdits }: ControlComponents): EditHandlers => ({
  'block.create': (input) => blockEdits.create(input),
  'block.edit': (input) => blockEdits.edit(input),
})
