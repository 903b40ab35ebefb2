/**
 * What the network library writes for its own debugging goes nowhere: the daemon logs what matters here by itself. One
 * logger for everything, because the library makes itself some for each connection and each stream, which is most of what
 * an idle plugin's streams keep in memory.
 */
import type { ComponentLogger, Logger } from '@libp2p/interface'

const write = (): void => {}

const silent: Logger = Object.assign((): void => {}, {
  enabled: false,
  error: write,
  trace: write,
  newScope: () => silent,
})

export const silentLogger: ComponentLogger = { forComponent: () => silent }
