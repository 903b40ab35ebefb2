/** Options that every command takes, in one list for the parser, the help and the completion. */
import type { CommandOption } from './command.ts'

export const globalOptions: readonly CommandOption[] = [
  { name: 'json', summary: 'answer as JSON: {"v":1,"kind":…,"data":…}, one envelope on each line' },
  { name: 'quiet', short: 'q', summary: 'print the answer only, no hints' },
  { name: 'yes', short: 'y', summary: 'do not ask, after looking at what is shown' },
  { name: 'no-input', summary: 'never ask, even on a terminal' },
  { name: 'no-color', summary: 'no colours (also: NO_COLOR)' },
  { name: 'timeout', value: 'duration', summary: 'give up after this time, such as 30s or 2m' },
  { name: 'version', short: 'V', summary: 'print the version and end' },
]
