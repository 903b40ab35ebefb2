/** A text that several people write in: what you type is added to it, what the others type appears here. */
import { createInterface } from 'node:readline'
import { definePlugin, runAsMain } from 'mooring/plugin-sdk'
import { splice } from 'mooring/plugin-sdk/memory'

const address = 'space:home/notes'

const plugin = definePlugin({
  name: 'notes',
  version: '1.0.0',
  description: 'Writes together with others in one text.',
  // What the operator is asked for: this one block, to read, to change, and to make if it is not there yet.
  wants: [`blocks:read:${address}`, `blocks:write:${address}`, `blocks:create:${address}`],
  async setup(host) {
    const note = await host.open(address, 'text')
    const show = (): void => {
      console.log(`---\n${note.value.text}`)
    }
    // Our own changes are on the screen already: only what comes from others is shown.
    note.on('change', ({ local }) => {
      if (!local) show()
    })
    note.on('state', ({ state, reason }) => console.error(`notes: ${state} (${reason})`))
    note.on('refused', ({ code, changes }) => console.error(`notes: ${changes.length} edits were refused: ${code}`))

    const lines = createInterface({ input: process.stdin })
    lines.on('line', (line) => {
      // At once here, in a moment everywhere; also while the daemon is away.
      note.change((draft) => splice(draft, ['text'], draft.text.length, 0, `${line}\n`))
    })
    return () => lines.close()
  },
})

export default plugin

await runAsMain(import.meta, plugin)
