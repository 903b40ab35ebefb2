/**
 * Where a campaign takes place: a folder, and the processes and sockets in it. Keeps: when it closes, in the reverse order
 * of what was opened, nothing is left of it, whatever became of the campaign.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child, type ChildInit } from './child.ts'

export class Scene {
  readonly dir = mkdtempSync(join(tmpdir(), 'mooring-soak-'))
  readonly #steps: (() => unknown)[] = []
  #folders = 0

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
    this.onClose(() => child.kill())
    return child
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
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 })
    if (failures.length > 0) throw new AggregateError(failures, 'the scene did not close in order')
  }
}

/** Runs work in a scene of its own. */
export async function inScene<Result>(work: (scene: Scene) => Promise<Result>): Promise<Result> {
  const scene = new Scene()
  try {
    return await work(scene)
  } finally {
    await scene.close()
  }
}
