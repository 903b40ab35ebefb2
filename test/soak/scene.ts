/**
 * Where a campaign takes place: a folder, and the processes and sockets in it. Keeps: when it closes, in the reverse order
 * of what was opened, nothing is left of it, whatever became of the campaign.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child, type ChildInit } from './child.ts'

const open = new Set<Scene>()

/** For the end of this process itself, where nothing can be awaited: no process and no file is left. */
export function abandonAll(): void {
  for (const scene of open) scene.abandon()
}

export class Scene {
  readonly dir = mkdtempSync(join(tmpdir(), 'mooring-soak-'))
  readonly #children = new Set<Child>()
  readonly #steps: (() => unknown)[] = []
  #folders = 0

  constructor() {
    open.add(this)
  }

  /** Runs when the scene closes. */
  onClose(step: () => unknown): void {
    this.#steps.push(step)
  }

  /** A new, empty folder. */
  folder(name = 'folder'): string {
    const path = join(this.dir, `${name}-${++this.#folders}`)
    mkdirSync(path)
    return path
  }

  /** Removes a folder that is no longer needed: a long campaign would fill the disk. */
  discard(folder: string): void {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }

  start(init: ChildInit): Child {
    const child = new Child(init)
    this.#children.add(child)
    this.onClose(() => child.kill())
    return child
  }

  abandon(): void {
    for (const child of this.#children) child.signal('SIGKILL')
    this.discard(this.dir)
  }

  async close(): Promise<void> {
    const failures: unknown[] = []
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step()
      } catch (error) {
        failures.push(error)
      }
    }
    this.discard(this.dir)
    open.delete(this)
    if (failures.length > 0) throw new AggregateError(failures, 'the scene did not close in order')
  }
}
