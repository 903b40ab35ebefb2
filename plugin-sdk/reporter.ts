/**
 * What a person at the plugin's side is told while the operator of the daemon has to decide. Keeps true: the words and
 * the id are made here from the plugin's own key, and no text of the daemon reaches a terminal unchecked.
 */
import { fingerprintWords, type PeerId, shortPeerId } from '../protocol/index.ts'

export interface Reporter {
  /** A request with a new code waits for the operator. */
  pending(request: {
    readonly name: string
    readonly peer: PeerId
    readonly code: string
    /** True when the plugin is let in already and asks for a difference. */
    readonly isLive: boolean
  }): void
  /** The operator approved it; `name` is what the daemon calls the plugin. */
  approved(plugin: { readonly name: string; readonly grants: readonly string[] }): void
  /** The operator granted more while the plugin was live. */
  granted(plugin: { readonly grants: readonly string[] }): void
}

/** Writes to a stream of text, such as standard error. */
export function createReporter(write: (text: string) => void): Reporter {
  return {
    pending: ({ name, peer, code, isLive }) => {
      // A code is letters and digits; anything else would be there to drive the terminal or the shell.
      const plain = code.replace(/[^0-9A-Za-z-]/g, '')
      write(
        [
          isLive
            ? `${name} is live, and asks the operator of the daemon for more.`
            : `${name} waits for the operator of the daemon.`,
          `  key      ${fingerprintWords(peer)} ${shortPeerId(peer)}`,
          `  code     ${plain}`,
          `  approve  moor approve ${plain}   (where the daemon runs)`,
          '',
        ].join('\n'),
      )
    },
    approved: ({ name, grants }) => write(`approved as ${name} with ${grants.length} of its grants.\n`),
    granted: ({ grants }) => write(`the operator granted more: ${grants.length} grants now.\n`),
  }
}
