/** What the server script of a peer has around it: the port that it says, and an orderly end on SIGTERM. */

export interface WebSocketProcess {
  readonly port: number
  /** Writes everything. */
  stop(): Promise<void>
}

export function serve({ port, stop }: WebSocketProcess): void {
  process.once('SIGTERM', () => void stop().finally(() => process.exit(0)))
  process.send?.({ kind: 'ready', port })
  // The bench is gone: nobody will end this process.
  process.on('disconnect', () => process.exit(1))
}
