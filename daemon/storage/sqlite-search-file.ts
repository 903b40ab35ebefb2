/**
 * The file of the search index. Keeps: one that is damaged, or that another version made, is removed and begun anew; what was
 * committed is there as a whole also after a power cut, though the newest may be missing.
 */
import { rmSync } from 'node:fs'
import Database from 'better-sqlite3'
import { isUnreadable } from './sqlite-errors.ts'

/** 'MOOS', in the header of the file. */
const applicationId = 0x4d_4f_4f_53
/** Another number for every other form of the tables, or of what is written into them. */
const version = 1

const tables = `
-- How far the index is, one row.
CREATE TABLE progress (
  epoch TEXT,
  seq INTEGER NOT NULL,
  archive INTEGER NOT NULL
) STRICT;
INSERT INTO progress (epoch, seq, archive) VALUES (NULL, 0, 0);

-- Where a text is from. Keeps: id is its row in words, written and removed in the same transaction.
CREATE TABLE doc (
  id INTEGER PRIMARY KEY,
  is_block INTEGER NOT NULL,
  source INTEGER NOT NULL,
  key TEXT NOT NULL,
  scope TEXT NOT NULL,
  seq INTEGER NOT NULL,
  UNIQUE (is_block, source)
) STRICT;

CREATE VIRTUAL TABLE words USING fts5(tokens, text, tokenize = "unicode61 remove_diacritics 2");`

/** In memory when no file is named. */
export function openSearchFile(file: string | undefined): Database.Database {
  if (file === undefined) return create(':memory:')
  const db = openExisting(file)
  if (db !== undefined) return db
  removeSearchFile(file)
  return create(file)
}

export function removeSearchFile(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
}

/** Undefined for one that is not there, or of no use. */
function openExisting(file: string): Database.Database | undefined {
  let db: Database.Database | undefined
  try {
    db = new Database(file, { timeout: 50 })
    const header = [db.pragma('application_id', { simple: true }), db.pragma('user_version', { simple: true })]
    if (header[0] === applicationId && header[1] === version) {
      setUp(db)
      return db
    }
  } catch (error) {
    if (!isUnreadable(error)) {
      db?.close()
      throw error
    }
  }
  db?.close()
  return undefined
}

function create(file: string): Database.Database {
  const db = new Database(file, { timeout: 50 })
  try {
    setUp(db)
    db.transaction(() => {
      db.exec(tables)
      db.pragma(`application_id = ${applicationId}`)
      db.pragma(`user_version = ${version}`)
    })()
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function setUp(db: Database.Database): void {
  db.pragma('trusted_schema = OFF')
  db.pragma('journal_mode = WAL')
  // A commit may be lost with the power, never a part of one: it is made again from the log.
  db.pragma('synchronous = NORMAL')
  db.pragma(`journal_size_limit = ${16 * 1024 * 1024}`)
}
