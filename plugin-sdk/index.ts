/** Door `mooring/plugin-sdk`: what an author types. Loads no network and no document engine until a plugin runs. */
export {
  type CallOptions,
  type ErrorCode,
  errorCodes,
  errorTable,
  MooringError,
  type PeerId,
  type SchemaName,
  type SchemaValues,
} from '../protocol/index.ts'
export type { Attachment, Host, HostEvents, HostLog, PluginStatus, Self } from './host.ts'
export type { Connection, PendingRequest, Welcome } from './link.ts'
export type { LogLevel, LogSink } from './log.ts'
export { runAsMain } from './main.ts'
export { definePlugin, type Plugin, type PluginInit, type SetupOptions, type Teardown } from './plugin.ts'
export { createReporter, type Reporter } from './reporter.ts'
export { type RunningPlugin, type RunOptions, runPlugin } from './run.ts'
