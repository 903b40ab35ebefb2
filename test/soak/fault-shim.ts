/** The disk of a process, made to fail by a library that is compiled here and preloaded there; see `fault-shim.c`. */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Skipped } from './campaign.ts'
import type { Scene } from './scene.ts'

const fields = ['mode', 'countdown', 'target', 'space', 'failed', 'syncs'] as const
type Field = (typeof fields)[number]

const modes = { none: 0, 'one sync': 1, 'every sync': 2, 'bounded space': 3 } as const
const targets = { any: 0, log: 1, database: 2 } as const

/** Compiles the library. @throws {@link Skipped} where that is not possible */
export function compileShim(scene: Scene): string {
  if (process.platform !== 'linux') throw new Skipped('failing disks take Linux, whose libraries can be preloaded')
  const library = join(scene.folder('shim'), 'fault-shim.so')
  const source = fileURLToPath(new URL('./fault-shim.c', import.meta.url))
  const { error, status, stderr } = spawnSync('cc', ['-O1', '-shared', '-fPIC', '-o', library, source, '-ldl'])
  if (error !== undefined) throw new Skipped('failing disks take a C compiler')
  if (status !== 0) throw new Error(`the library does not compile: ${stderr.toString()}`)
  return library
}

/** What is to fail in one folder. */
export class FaultControl {
  readonly env: Readonly<Record<string, string>>
  readonly #fd: number

  constructor(scene: Scene, library: string, folder: string) {
    const file = join(scene.folder('control'), 'page')
    writeFileSync(file, Buffer.alloc(fields.length * 8))
    this.#fd = openSync(file, 'r+')
    scene.onClose(() => closeSync(this.#fd))
    this.env = { LD_PRELOAD: library, FAULT_CONTROL: file, FAULT_FOLDER: folder }
  }

  /** Syncs of the target fail, once or from then on, after so many that succeed. */
  failSync(which: 'one sync' | 'every sync', target: keyof typeof targets, after: number): void {
    this.#write('countdown', after)
    this.#write('target', targets[target])
    this.#write('mode', modes[which])
  }

  /** Files grow by no more than this from now on. */
  boundSpace(bytes: number): void {
    this.#write('space', bytes)
    this.#write('mode', modes['bounded space'])
  }

  heal(): void {
    this.#write('mode', modes.none)
  }

  /** Counts syncs of the target from now on. */
  countSyncs(target: keyof typeof targets): void {
    this.#write('target', targets[target])
    this.#write('syncs', 0)
  }

  read(field: Field): number {
    const bytes = Buffer.alloc(8)
    readSync(this.#fd, bytes, 0, 8, fields.indexOf(field) * 8)
    return Number(bytes.readBigInt64LE())
  }

  #write(field: Field, value: number): void {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(value))
    writeSync(this.#fd, bytes, 0, 8, fields.indexOf(field) * 8)
  }
}
