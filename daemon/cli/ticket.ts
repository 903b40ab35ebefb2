/** `moor ticket`: where the daemon is and which key it has, as one line to copy. It names no secret. */
import { z } from 'zod'
import { isDialAddress } from '../../protocol/dial-address.ts'
import { controlProtocol, formatTicket, MooringError } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'

/** As many as a ticket takes. */
const maxAddresses = 16

export const ticket = defineCommand({
  name: 'ticket',
  summary: 'Print the public ticket: what a plugin elsewhere needs to find this daemon',
  description: 'It holds no secret: whoever uses it has to be approved. A ticket that approves is made by moor invite.',
  args: [],
  options: [],
  examples: ['moor ticket', 'moor ticket --json'],
  input: z.object({}),
  data: z.strictObject({ ticket: z.string(), addresses: controlProtocol.ops['daemon.status'].output.shape.addresses }),
  async run({ connect, call, output }) {
    const status = await (await connect()).daemon.status({}, call())
    const addresses = status.addresses.filter(isDialAddress).slice(0, maxAddresses)
    if (addresses.length === 0) throw new MooringError('wrong-state', { detail: 'the daemon has no address to dial' })
    const text = formatTicket({ daemon: status.peer, addresses })
    output.answer({ ticket: text, addresses }, [text])
    output.note('a plugin takes it as MOORING_TICKET; whoever uses it waits for moor approve')
    if (addresses.every(isLoopback)) {
      output.note('these addresses work on this machine only; for others set listen.host in the file of moor paths')
    }
  },
})

const isLoopback = (address: string): boolean => /^\/(?:ip4\/127\.|ip6\/::1\/)/.test(address)
