/**
 * What every backend is handed when it is opened. A backend gets a directory, a logger and the daemon's own id, and
 * nothing else: it never looks for configuration by itself.
 */
import type { PeerId } from '../../protocol/ids.ts'

/** One line of the daemon's log: a flat object and a message, as pino takes it. */
type WriteLine = (fields: Readonly<Record<string, unknown>>, message: string) => void

export interface StorageLog {
  readonly debug: WriteLine
  readonly info: WriteLine
  readonly warn: WriteLine
  readonly error: WriteLine
}

export interface BackendInit {
  /** The state directory; made with mode 0700 when missing. The memory backend does not use it. */
  readonly dir: string
  readonly log: StorageLog
  /** The daemon's own id: its entries need no grant. Without it every entry is checked. */
  readonly self?: PeerId
}
