/** The smallest plugin: asks for nothing, says hello through the daemon, and writes what came back to the daemon's log. */
import { definePlugin, runAsMain } from 'mooring/plugin-sdk'

const plugin = definePlugin({
  name: 'echo',
  version: '1.0.0',
  description: 'Sends one word to the daemon and back.',
  wants: [],
  async setup(host, { signal }) {
    const { text } = await host.daemon.echo({ text: 'ahoy' }, { signal })
    host.log.info(`the daemon answered ${text}`)
    // Returned functions run when the plugin stops, while the connection is still there.
    return () => host.log.info('goodbye')
  },
})

export default plugin

await runAsMain(import.meta, plugin)
