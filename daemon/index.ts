/** Door `mooring/daemon`: a daemon in this process, for embedding and for tests. */
export { type Config, parseConfig, type ReadConfig, readConfig } from './config.ts'
export { type Daemon, type DaemonInit, startDaemon } from './daemon.ts'
export { createLog, type Level, type Log, type Logger, type LogInit } from './log.ts'
