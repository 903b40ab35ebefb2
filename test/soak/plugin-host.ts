/**
 * A process of plugins as a campaign sees it: says what each is to do, hears what each did. Keeps: what was said about a
 * plugin is heard in the order in which it happened.
 */
import type { Child } from './child.ts'
import type { HostCommand, PluginWord } from './plugin-process.ts'
import type { Scene } from './scene.ts'

/** For a machine that is busy with other things: what takes longer than this hangs. */
const waitMs = 300_000

export class PluginHost {
  readonly child: Child
  /** Everything that was said so far, by plugin, but for what is only counted. */
  readonly #words = new Map<string, PluginWord[]>()
  readonly #listeners = new Set<(word: PluginWord) => void>()
  #failure: string | undefined

  constructor(scene: Scene, env: Readonly<Record<string, string>>) {
    this.child = scene.start({ script: new URL('./plugin-process.ts', import.meta.url), env })
    this.child.onLine((line) => {
      if (!line.startsWith('{"from"')) return
      const word = JSON.parse(line) as PluginWord
      if (word.said === 'failed') this.#failure ??= `${word.from} failed: ${word.message}`
      const words = this.#words.get(word.from) ?? []
      words.push(word)
      this.#words.set(word.from, words)
      for (const listener of this.#listeners) listener(word)
    })
  }

  /** Called for everything that is said from now on. */
  onWord(listener: (word: PluginWord) => void): void {
    this.#listeners.add(listener)
  }

  tell(command: HostCommand): void {
    this.child.send(JSON.stringify(command))
  }

  /** Tells, and waits for the answer to it. */
  async ask<Said extends PluginWord['said']>(command: HostCommand, said: Said, timeoutMs = waitMs) {
    const from = this.#words.get(command.to)?.length ?? 0
    this.tell(command)
    return this.heard(command.to, said, { from, timeoutMs })
  }

  /** The first word of a kind by a plugin, at or after the position `from`. @throws when a plugin here failed */
  async heard<Said extends PluginWord['said']>(
    plugin: string,
    said: Said,
    { from = 0, timeoutMs = waitMs, fits = () => true }: HeardOptions<Said> = {},
  ): Promise<Extract<PluginWord, { said: Said }>> {
    let found: Extract<PluginWord, { said: Said }> | undefined
    const isWanted = (word: PluginWord): word is Extract<PluginWord, { said: Said }> => word.said === said
    await this.child.until(
      () => {
        if (this.#failure !== undefined) throw new Error(this.#failure)
        const words = this.#words.get(plugin) ?? []
        found = words.slice(from).find((word) => isWanted(word) && fits(word)) as typeof found
        return found !== undefined
      },
      `${plugin}: ${said}`,
      timeoutMs,
    )
    if (found === undefined) throw new Error(`${plugin} did not say ${said}`)
    return found
  }

  /** How much a plugin has said. */
  said(plugin: string): number {
    return this.#words.get(plugin)?.length ?? 0
  }
}

export interface HeardOptions<Said extends PluginWord['said']> {
  readonly from?: number
  readonly timeoutMs?: number
  readonly fits?: (word: Extract<PluginWord, { said: Said }>) => boolean
}
