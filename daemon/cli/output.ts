/**
 * What a command prints. Keeps true: the answer goes to standard output and nothing else does; with `--json` it is one
 * envelope on one line, in ASCII; all that people are told besides goes to standard error.
 */
import { styleText } from 'node:util'
import { asCalled } from './called.ts'
import type { Failure } from './failure.ts'
import { safeJson } from './sanitize.ts'

/** The part of a stream that is written to. */
export interface TextSink {
  write(text: string): unknown
}

export interface OutputInit {
  readonly stdout: TextSink
  readonly stderr: TextSink
  /** Name of the command, the `kind` of the envelope. */
  readonly kind: string
  readonly isJson: boolean
  readonly isQuiet: boolean
  /** What is typed to get here: `moor`, or `npx moor`. */
  readonly call: string
  readonly colours: { readonly stdout: boolean; readonly stderr: boolean }
}

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red'

/** Every text that is passed in must be safe: made here, or by `sanitize.ts`. */
export class Output<Data = unknown> {
  readonly #init: OutputInit

  constructor(init: OutputInit) {
    this.#init = init
  }

  get isJson(): boolean {
    return this.#init.isJson
  }

  /** The answer, or one line of a stream: the data for a machine, the lines for a person. */
  answer(data: Data, lines: readonly string[]): void {
    const { isJson, kind, stdout } = this.#init
    if (isJson) stdout.write(`${safeJson({ v: 1, kind, data })}\n`)
    else if (lines.length > 0) stdout.write(`${lines.join('\n')}\n`)
  }

  /** Progress and hints; silent with `--quiet`. */
  note(...lines: readonly string[]): void {
    if (!this.#init.isQuiet && lines.length > 0) this.#init.stderr.write(`${this.asCalled(lines.join('\n'))}\n`)
  }

  /** What a person must see to decide: never silent. */
  show(...lines: readonly string[]): void {
    this.#init.stderr.write(`${lines.join('\n')}\n`)
  }

  /** The next step, unless quiet or in JSON. */
  next(command: string): void {
    if (!this.isJson) this.note(`next: ${this.#paint('stderr', 'bold', command)}`)
  }

  /** A failure: words on standard error, with `--json` the envelope on standard output too. */
  fail(failure: Failure): void {
    this.failQuietly(failure)
    this.#init.stderr.write(
      `${this.errorLabel(failure.code)} ${failure.message}\nnext: ${this.asCalled(failure.next)}\n`,
    )
  }

  /** What every failure begins with on standard error. */
  errorLabel(code: string): string {
    return this.#paint('stderr', 'red', `error ${code}:`)
  }

  /** A text with commands in it, as they have to be typed here. Never for a machine, which knows what it runs. */
  asCalled(text: string): string {
    return asCalled(text, this.#init.call)
  }

  /** Only the envelope: for a failure whose words were printed by somebody else. */
  failQuietly({ code, message, next }: Failure): void {
    const { isJson, stdout } = this.#init
    if (isJson) stdout.write(`${safeJson({ v: 1, kind: 'error', data: { code, message, next } })}\n`)
  }

  /** Colour for a text of the answer. Only safe text is painted, so what it adds is all there is. */
  paint(style: Style, text: string): string {
    return this.#paint('stdout', style, text)
  }

  #paint(stream: 'stdout' | 'stderr', style: Style, text: string): string {
    return this.#init.colours[stream] ? styleText(style, text, { validateStream: false }) : text
  }
}
