-- What becomes of a block of which something was damaged: it is set back to what is left and builds on nothing that is lost.

-- Changes that build on lost ones. Keeps: they are in no document and are sent to nobody; the bytes stay as they were, and
-- once what they build on is back, each moves to the end of the log. seq is where it was; signature is the author's over
-- this very change, empty for most; sum covers all of it and is compared whenever the row is read.
CREATE TABLE waiting (
  block INTEGER NOT NULL REFERENCES block (id),
  seq INTEGER NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  max_op INTEGER NOT NULL,
  actor BLOB NOT NULL,
  actor_seq INTEGER NOT NULL,
  ops INTEGER NOT NULL,
  origin INTEGER NOT NULL REFERENCES replica (id),
  sum BLOB NOT NULL CHECK (length(sum) = 16),
  bytes BLOB NOT NULL,
  signature BLOB NOT NULL,
  PRIMARY KEY (block, seq)
) STRICT;

-- Changes that were stored once and are not there any more, until a replica brings them. Keeps: each actor was at to_seq at
-- least; hash is that of the change at to_seq when something that is left says it, and empty otherwise.
CREATE TABLE lost (
  block INTEGER NOT NULL REFERENCES block (id),
  actor BLOB NOT NULL,
  from_seq INTEGER NOT NULL,
  to_seq INTEGER NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) IN (0, 32)),
  at_ms INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  PRIMARY KEY (block, actor, from_seq)
) STRICT, WITHOUT ROWID;
