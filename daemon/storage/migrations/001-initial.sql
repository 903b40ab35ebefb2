-- The first form of the database. Each table says what it keeps true; the code relies on it.

-- Facts about the database itself, one row per name. Keeps: nothing that another table could tell.
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for each start of the daemon, in order. Keeps: the last seq of an epoch is start_seq of the next one, so a
-- cursor that claims to be further than its epoch ever came is recognised. Rows are never changed or removed.
CREATE TABLE epoch (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 16),
  start_seq INTEGER NOT NULL CHECK (start_seq >= 0)
) STRICT;

-- Every key that was ever decided about. Keeps: grant_version only rises, and no two approved peers share a name.
CREATE TABLE peer (
  peer TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('approved', 'denied', 'revoked')),
  grant_version INTEGER NOT NULL CHECK (grant_version >= 0),
  asked TEXT NOT NULL,
  manifest TEXT NOT NULL,
  decided_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX peer_approved_name ON peer (name) WHERE state = 'approved';

-- The grants of a peer, in the order of the decision. Keeps: written in the transaction that raises grant_version, so
-- a version always means exactly these rows.
CREATE TABLE grant_ (
  peer TEXT NOT NULL REFERENCES peer (peer) ON DELETE CASCADE,
  n INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (peer, n)
) STRICT, WITHOUT ROWID;

-- Requests for approval. Keeps: at most one pending row per peer; a row changes its state once and nothing else ever.
CREATE TABLE request (
  n INTEGER PRIMARY KEY,
  code TEXT NOT NULL UNIQUE,
  digest TEXT NOT NULL CHECK (length(digest) = 64),
  peer TEXT NOT NULL,
  manifest TEXT NOT NULL,
  wants TEXT NOT NULL,
  nonce TEXT NOT NULL,
  from_address TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'superseded')),
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX request_pending ON request (peer) WHERE state = 'pending';

-- Invites, by the hash of a secret that is stored nowhere. Keeps: claimed_by is set once.
CREATE TABLE invite (
  hash TEXT PRIMARY KEY CHECK (length(hash) = 64),
  grants TEXT NOT NULL,
  name TEXT,
  expires_at_ms INTEGER NOT NULL,
  claimed_by TEXT
) STRICT, WITHOUT ROWID;

-- Who submitted something: one row per (peer, replica), so that a log row names its origin in a few bytes.
-- Keeps: an id always means the same pair.
CREATE TABLE replica (
  id INTEGER PRIMARY KEY,
  peer TEXT NOT NULL,
  replica TEXT NOT NULL,
  UNIQUE (peer, replica)
) STRICT;

-- Every generation of every block. Keeps: at most one row per address is alive (deleted_seq = 0), and it is the one
-- with the highest generation; visible_seq is the position of the newest row of the block, so the highest visible_seq
-- is the last seq in use even when log rows have been compacted. Rows are never removed, so ids are never reused.
-- heads: the hashes that no other change depends on, 32 bytes each.
CREATE TABLE block (
  id INTEGER PRIMARY KEY,
  address TEXT NOT NULL,
  scope TEXT NOT NULL,
  label TEXT NOT NULL,
  generation INTEGER NOT NULL CHECK (generation > 0),
  schema TEXT NOT NULL,
  meta TEXT NOT NULL,
  owner TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  created_seq INTEGER NOT NULL,
  meta_seq INTEGER NOT NULL,
  visible_seq INTEGER NOT NULL,
  deleted_seq INTEGER NOT NULL,
  max_op INTEGER NOT NULL,
  ops INTEGER NOT NULL,
  gaps INTEGER NOT NULL,
  changes INTEGER NOT NULL,
  heads BLOB NOT NULL CHECK (length(heads) % 32 = 0),
  UNIQUE (address, generation)
) STRICT;
CREATE UNIQUE INDEX block_alive ON block (address) WHERE deleted_seq = 0;

-- The log of changes. Keeps: seq has no gaps over `change` and `event` together and no row is ever altered; sum is a
-- checksum over the whole row, compared whenever the row is read. No index on hash: it would be written in random
-- order and cost more than everything else here.
CREATE TABLE change (
  seq INTEGER PRIMARY KEY,
  block INTEGER NOT NULL REFERENCES block (id),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  max_op INTEGER NOT NULL,
  actor BLOB NOT NULL,
  actor_seq INTEGER NOT NULL,
  ops INTEGER NOT NULL,
  origin INTEGER NOT NULL REFERENCES replica (id),
  sum BLOB NOT NULL CHECK (length(sum) = 16),
  bytes BLOB NOT NULL
) STRICT;
CREATE INDEX change_by_block ON change (block, seq);

-- What happened to a block other than its changes. Keeps: seq comes from the same counter as that of `change`.
CREATE TABLE event (
  seq INTEGER PRIMARY KEY,
  block INTEGER NOT NULL REFERENCES block (id),
  kind TEXT NOT NULL,
  origin INTEGER NOT NULL REFERENCES replica (id),
  data TEXT NOT NULL
) STRICT;
CREATE INDEX event_by_block ON event (block, seq);

-- One Automerge document per block that stands for its rows up to seq. Keeps: seq never goes back; sum is a checksum
-- over the whole row, compared whenever it is read.
CREATE TABLE snapshot (
  block INTEGER PRIMARY KEY REFERENCES block (id),
  seq INTEGER NOT NULL,
  changes INTEGER NOT NULL,
  heads BLOB NOT NULL CHECK (length(heads) % 32 = 0),
  sum BLOB NOT NULL CHECK (length(sum) = 16),
  bytes BLOB NOT NULL
) STRICT;

-- The newest change of each actor in each block. Keeps: seq, hash and max_op belong to that change; signature is the
-- newest one that came for the actor, empty while none came.
CREATE TABLE clock (
  block INTEGER NOT NULL REFERENCES block (id),
  actor BLOB NOT NULL,
  seq INTEGER NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  max_op INTEGER NOT NULL,
  signature BLOB NOT NULL,
  PRIMARY KEY (block, actor)
) STRICT, WITHOUT ROWID;

-- The objects inside a block, by the operation that made them. Keeps: the type and depth of every object that any
-- stored change made, also of those whose change has been compacted.
CREATE TABLE object (
  block INTEGER NOT NULL REFERENCES block (id),
  id TEXT NOT NULL,
  type TEXT NOT NULL CHECK (type IN ('map', 'list', 'text', 'table')),
  depth INTEGER NOT NULL CHECK (depth > 0),
  PRIMARY KEY (block, id)
) STRICT, WITHOUT ROWID;

-- Changes that are kept but applied nowhere. Keeps: the bytes stay in `change`, so that they can be released again.
CREATE TABLE quarantine (
  block INTEGER NOT NULL REFERENCES block (id),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  reason TEXT NOT NULL,
  PRIMARY KEY (block, hash)
) STRICT, WITHOUT ROWID;
