-- The archive: texts by scope. Keeps: a row is never changed; n is the order in which rows were stored and is never used twice;
-- disk is what the entry counts for with its owner; sum covers all of it and is compared whenever the row is read.
CREATE TABLE archive (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  scope TEXT NOT NULL,
  owner TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  disk INTEGER NOT NULL,
  metadata TEXT NOT NULL,
  text TEXT NOT NULL,
  sum INTEGER NOT NULL
) STRICT;
CREATE INDEX archive_by_scope ON archive (scope, id);
CREATE INDEX archive_by_owner ON archive (owner, disk);

-- The last n that was used, one row. Keeps: it only rises, also when the newest entry is removed.
CREATE TABLE archive_last (
  n INTEGER NOT NULL
) STRICT;
INSERT INTO archive_last (n) VALUES (0);
