/** What the durability of a replica rests on: the settings of the connection that writes. */
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openFile } from '../../../../plugin-sdk/memory/sqlite-file.ts'
import { tempDir } from '../../../fixtures/temp-dir.ts'

describe('the connection that writes a replica', () => {
  it('is durable at every commit', () => {
    const db = openFile(join(tempDir(), 'replica.db'))
    onTestFinished(() => void db.close())
    const settings = [
      'synchronous',
      'journal_mode',
      'trusted_schema',
      'foreign_keys',
      'cell_size_check',
      'wal_autocheckpoint',
    ]
    expect(settings.map((name) => db.pragma(name, { simple: true }))).toEqual([2, 'wal', 0, 1, 1, 0])
  })
})
