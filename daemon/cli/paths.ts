/** `moor paths`: where everything is. Needs no daemon. */
import { z } from 'zod'
import { defineCommand } from './command.ts'
import { safeLine } from './sanitize.ts'
import { fields } from './table.ts'

const data = z.strictObject({
  stateDir: z.string(),
  configFile: z.string(),
  runtimeDir: z.string(),
  socket: z.string(),
  tokenFile: z.string(),
  logFile: z.string(),
  ticketFile: z.string(),
  identityFile: z.string(),
  pluginsDir: z.string(),
})

export const paths = defineCommand({
  name: 'paths',
  summary: 'Show where state, configuration, socket and log are',
  description: 'MOORING_HOME puts all of it under one folder.',
  args: [],
  options: [],
  examples: ['moor paths', 'moor paths --json'],
  input: z.object({}),
  data,
  async run({ output, places }) {
    const pairs = Object.entries(places).map(([name, place]) => [kebab(name), safeLine(String(place), 4_096)] as const)
    output.answer({ ...places }, fields(pairs))
  },
})

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
