-- What the views found out about the log: how far each block is known to load again, what is set aside, who is kept
-- from writing.

-- How far a block was verified. Keeps: a saved document of the rows up to seq, less those in quarantine, was loaded
-- again and had the same heads and as many changes. Without a row: nothing was verified.
CREATE TABLE verified (
  block INTEGER PRIMARY KEY REFERENCES block (id),
  seq INTEGER NOT NULL CHECK (seq >= 0)
) STRICT;

-- Changes that are kept but applied nowhere. Keeps: seq is the row of the change, which stays in `change` with its
-- bytes until it is released, and then moves to the end of the log (the one case in which a row there is altered); event_seq is the position of the event that set it aside; cause is the change in
-- quarantine that it builds on, empty for one that fails by itself.
DROP TABLE quarantine;
CREATE TABLE quarantine (
  block INTEGER NOT NULL REFERENCES block (id),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  seq INTEGER NOT NULL UNIQUE,
  event_seq INTEGER NOT NULL,
  actor BLOB NOT NULL,
  actor_seq INTEGER NOT NULL,
  peer TEXT NOT NULL,
  cause BLOB NOT NULL CHECK (length(cause) IN (0, 32)),
  reason TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (block, hash)
) STRICT, WITHOUT ROWID;

-- Peers that may not write until the operator releases them. Keeps: written in the transaction that sets the change
-- aside; the first reason stays. What the peer was granted is not touched.
CREATE TABLE suspension (
  peer TEXT PRIMARY KEY,
  reason TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
