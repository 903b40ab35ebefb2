/**
 * Which lines of the log are wanted. Keeps true: of a plugin everything is shown, what it wrote and what the daemon wrote
 * about it, also where the daemon named only its key.
 */
import { fingerprintWords, isPeerId } from '../../protocol/index.ts'
import { type LogLevel, type LogLine, logLevels } from './log-line.ts'

export interface LogFilterInit {
  /** This level and above; lines without a level always pass, since they are the worst. */
  readonly level?: LogLevel | undefined
  /** Name, peer id, or the five words of the key. */
  readonly plugin?: string | undefined
}

/** To be shown every line in the order of the log: it learns from them which key a name stands for. */
export class LogFilter {
  readonly #init: LogFilterInit
  readonly #peers = new Set<string>()
  readonly #names = new Set<string>()
  #isKnown = false

  constructor(init: LogFilterInit) {
    this.#init = init
  }

  /** Whether some line was about the plugin, of whatever level. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  /** Of the plugins in the lines so far. */
  get names(): readonly string[] {
    return [...this.#names]
  }

  passes(line: LogLine): boolean {
    const { level, plugin } = this.#init
    if (plugin !== undefined && !this.#isAbout(line, plugin)) return false
    return level === undefined || line.level === null || logLevels.indexOf(line.level) >= logLevels.indexOf(level)
  }

  #isAbout({ plugin, name = plugin, peer }: LogLine, wanted: string): boolean {
    // Text of plugins is among them: as many as a suggestion needs.
    if (name !== undefined && this.#names.size < maxNames) this.#names.add(name)
    const isNamed = name === wanted || peer === wanted || (peer !== undefined && this.#peers.has(peer))
    if (!isNamed && !hasWords(peer, wanted)) return false
    if (peer !== undefined && this.#peers.size < maxNames) this.#peers.add(peer)
    this.#isKnown = true
    return true
  }
}

const maxNames = 1_000

const hasWords = (peer: string | undefined, words: string): boolean =>
  peer !== undefined && /^[a-z]+(?:-[a-z]+){4}$/.test(words) && isPeerId(peer) && fingerprintWords(peer) === words
