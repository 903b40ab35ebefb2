/** When the write-ahead logs of both stores are folded back, and that a disk which fails meanwhile is never passed over. */
import type Database from 'better-sqlite3'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Checkpoints } from '../../../../daemon/storage/sqlite-checkpoint.ts'
import { Checkpoints as ReplicaCheckpoints } from '../../../../plugin-sdk/memory/sqlite-checkpoint.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const sqliteError = (code: string): Error => Object.assign(new Error(code), { code })

/** A log of `pages`, of which a checkpoint in a mode does what `run` says. */
class FakeLog {
  pages = 0
  readonly asked: string[] = []
  run: (mode: string) => void = () => {}

  get db(): Database.Database {
    const prepare = (sql: string) => {
      const mode = /\((\w+)\)/.exec(sql)?.[1] ?? ''
      const get = (): number[] => {
        if (mode === 'NOOP') return [0, this.pages, 0]
        this.asked.push(`${mode} at ${this.pages}`)
        this.run(mode)
        return [0, this.pages, this.pages]
      }
      return { raw: () => ({ get }) }
    }
    return { prepare } as unknown as Database.Database
  }
}

const kinds = { daemon: Checkpoints, replica: ReplicaCheckpoints } as const

describe.each(['daemon', 'replica'] as const)('the write-ahead log of the %s store', (kind) => {
  function make() {
    const log = new FakeLog()
    const failures: unknown[] = []
    const full: string[] = []
    const init = { db: log.db, maxPages: 10, onFailure: (error: unknown) => failures.push(error) }
    const made = new kinds[kind]({ ...init, onFull: () => full.push('full') })
    onTestFinished(() => {
      log.run = () => {}
      if (made instanceof Checkpoints) made.stop()
      else made.close()
    })
    const grow = async (...lengths: number[]): Promise<void> => {
      for (const pages of lengths) {
        log.pages = pages
        made.written()
        await turn()
      }
    }
    return { log, failures, full, grow, made }
  }

  it('is folded back once it is long, and not with each commit', async () => {
    const { log, grow } = make()
    await grow(1, 9, 10, 11, 19, 20)
    expect(log.asked).toEqual(['PASSIVE at 10', 'PASSIVE at 20'])
    // It began anew.
    await grow(3, 9, 10)
    expect(log.asked.slice(2)).toEqual(['PASSIVE at 10'])
  })

  it('is not touched before whoever wrote has its answer', async () => {
    const { log, made } = make()
    log.pages = 50
    made.written()
    expect(log.asked).toEqual([])
    await turn()
    expect(log.asked).toHaveLength(1)
  })

  it('tells of a disk that fails', async () => {
    const { log, failures, grow } = make()
    const error = sqliteError('SQLITE_IOERR_FSYNC')
    log.run = () => {
      throw error
    }
    await grow(10)
    expect(failures).toEqual([error])
  })

  it('stays as it is while the disk is full', async () => {
    const { log, failures, full, grow } = make()
    log.run = () => {
      throw sqliteError('SQLITE_FULL')
    }
    await grow(10, 11, 20)
    expect(failures).toEqual([])
    expect(log.asked).toEqual(['PASSIVE at 10', 'PASSIVE at 20'])
    if (kind === 'daemon') expect(full).toHaveLength(2)
  })
})

it('waits for readers once the log is far too long', async () => {
  const log = new FakeLog()
  const made = new Checkpoints({ db: log.db, maxPages: 10, onFailure: () => {}, onFull: () => {} })
  for (const pages of [10, 20, 30, 40, 41, 50]) {
    log.pages = pages
    made.written()
    await turn()
  }
  expect(log.asked).toEqual(['PASSIVE at 10', 'PASSIVE at 20', 'PASSIVE at 30', 'RESTART at 40', 'RESTART at 50'])
})
