/**
 * Every protocol that a plugin may dial, by name. Keeps true: whoever serves, checks or attacks all of them walks this
 * table, so a protocol that is not here does not exist, and one that is here cannot be left out.
 */
import type { Protocol } from './define.ts'
import { hostProtocol } from './host/index.ts'
// The file and not its door: frames load no more than shapes do.
import { syncFrames } from './sync/frames.ts'

export const pluginProtocols = {
  host: hostProtocol,
  sync: syncFrames,
} as const satisfies Record<string, Protocol>

export type PluginProtocolName = keyof typeof pluginProtocols

export const pluginProtocolNames = Object.keys(pluginProtocols) as readonly PluginProtocolName[]
