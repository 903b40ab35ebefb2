/** Reading the log file from its end, and along as it grows. Keeps true: memory is bounded however large file or line are. */
import { type FileHandle, open, stat } from 'node:fs/promises'

const chunkBytes = 64 * 1024
/** How far back the last lines are looked for. */
const maxTailBytes = 8 * 1024 * 1024
/** A longer line is given out in pieces. */
const maxLineChars = 256 * 1024

/** A place in a file that grows, is cut or is replaced. */
export class LogFile {
  readonly #path: string
  #file: FileHandle | undefined
  #inode = 0
  #offset = 0
  #decoder = new TextDecoder()
  #rest = ''

  constructor(path: string) {
    this.#path = path
  }

  /** All lines of the last part of the file. @throws as `open` does, `ENOENT` included */
  async *tail(): AsyncGenerator<string, void, undefined> {
    await this.#open()
    const { size } = await this.#opened().stat()
    this.#offset = Math.max(0, size - maxTailBytes)
    let isCut = this.#offset > 0
    for await (const line of this.#lines()) {
      if (!isCut) yield line
      isCut = false
    }
  }

  /** Complete lines that were added since. A file that became shorter, or another one, is read from its beginning. */
  async *added(): AsyncGenerator<string, void, undefined> {
    const found = await stat(this.#path).catch(() => undefined)
    // Between two files of a rotation there is none.
    if (found === undefined) return
    if (found.ino !== this.#inode || found.size < this.#offset) {
      yield* this.#lines()
      await this.#open()
    }
    yield* this.#lines()
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }

  async #open(): Promise<void> {
    await this.close()
    this.#file = await open(this.#path, 'r')
    this.#inode = (await this.#file.stat()).ino
    this.#offset = 0
    this.#decoder = new TextDecoder()
    this.#rest = ''
  }

  #opened(): FileHandle {
    if (this.#file === undefined) throw new Error('the log file is not open')
    return this.#file
  }

  async *#lines(): AsyncGenerator<string, void, undefined> {
    const buffer = new Uint8Array(chunkBytes)
    for (;;) {
      const { bytesRead } = await this.#opened().read(buffer, 0, chunkBytes, this.#offset)
      if (bytesRead === 0) return
      this.#offset += bytesRead
      const lines = (this.#rest + this.#decoder.decode(buffer.subarray(0, bytesRead), { stream: true })).split('\n')
      this.#rest = lines.pop() ?? ''
      yield* lines.filter((line) => line !== '')
      if (this.#rest.length > maxLineChars) {
        yield this.#rest
        this.#rest = ''
      }
    }
  }
}
