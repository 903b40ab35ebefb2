/** `moor version`: of this program, its runtime, the protocols, and of the daemon if one answers. */
import { z } from 'zod'
import { controlProtocol, MooringError, pluginProtocols } from '../../protocol/index.ts'
import { type CommandContext, defineCommand } from './command.ts'
import { packageVersion } from './package-version.ts'
import { safeId } from './sanitize.ts'
import { fields } from './table.ts'

export const version = defineCommand({
  name: 'version',
  summary: 'Show the versions of this program, its protocols and the daemon',
  args: [],
  options: [],
  examples: ['moor version', 'moor version --json'],
  input: z.object({}),
  data: z.strictObject({
    version: z.string(),
    protocols: z.array(z.string()),
    /** Null: no daemon answers, or none was asked (`moor --version`). */
    daemon: z.string().nullable(),
  }),
  async run(context) {
    const own = await packageVersion()
    const daemon = await daemonVersion(context)
    context.output.answer({ version: own, protocols: [...protocols], daemon }, [
      `mooring ${own}`,
      ...fields([
        ['daemon', daemon === null ? 'does not answer' : safeId(daemon, 32)],
        ['speaks', protocols.join(' ')],
      ]),
    ])
  },
})

/** Everything that is spoken here: by plugins, then by this program. */
export const protocols: readonly string[] = [...Object.values(pluginProtocols).map(({ id }) => id), controlProtocol.id]

async function daemonVersion({ connect, call }: CommandContext<never>): Promise<string | null> {
  try {
    return (await (await connect()).daemon.status({}, call())).version
  } catch (error) {
    // The versions on this side are an answer by themselves.
    if (error instanceof MooringError && error.category !== 'timeout') return null
    throw error
  }
}
