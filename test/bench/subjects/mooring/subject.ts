/** Mooring: its daemon with its database, plugins over QUIC that were let in by invites. */

import { connectControl } from '../../../../daemon/cli/control-client.ts'
import { daemonEnv } from '../../../../daemon/cli/daemon-env.ts'
import { systemClock } from '../../../../daemon/system-clock.ts'
import { formatTicket, parseTicket, placesFrom } from '../../../../protocol/index.ts'
import type { Subject } from '../../subject.ts'

const grants = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:bench/*`)
const inviteTtlMs = 10 * 60_000
const quicForm = /^\/ip4\/127\.0\.0\.1\/udp\/(\d+)\/quic-v1$/

export const mooring: Subject = {
  name: 'mooring',
  what: 'Automerge over QUIC; each change is synced to disk before it is acknowledged or visible',
  client: new URL('./client.ts', import.meta.url),
  async start({ dir, spawn }) {
    const env = { MOORING_HOME: dir, MOORING_LISTEN_PORT: '0', MOORING_LOG_LEVEL: 'error' }
    // As `moor up` starts it.
    const daemon = spawn(new URL('../../../../daemon/main.ts', import.meta.url), [], daemonEnv(env))
    await daemon.ready()
    const places = placesFrom({ env, platform: process.platform, homedir: dir })
    const { client: control, close } = await connectControl({
      places,
      clock: systemClock,
      signal: AbortSignal.timeout(inviteTtlMs),
    })
    // Ends the socket of a daemon that was killed as well.
    void daemon.exited.then(close).catch(() => {})
    const invite = async () => parseTicket((await control.invite.create({ grants, ttlMs: inviteTtlMs })).ticket)
    const quic = (await invite()).addresses.map((address) => quicForm.exec(address)).find((match) => match !== null)
    return {
      process: daemon,
      transport: 'udp',
      port: Number(quic?.[1]),
      endpoint: async (port) =>
        formatTicket({ ...(await invite()), addresses: [`/ip4/127.0.0.1/udp/${port}/quic-v1`] }),
      stop: async () => {
        daemon.signal('SIGTERM')
        await daemon.exited
      },
    }
  },
}
