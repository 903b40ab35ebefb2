-- What each peer takes up in each block: disk, the bytes of its changes and of what goes with each row, or its part of the
-- snapshot that stands for them; content, what its changes hold. Keeps: written in the transaction that stores or removes the
-- rows it speaks of; disk over all peers of a block is what the block takes; content never becomes less.
CREATE TABLE usage (
  block INTEGER NOT NULL REFERENCES block (id),
  peer TEXT NOT NULL,
  disk INTEGER NOT NULL,
  content INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  PRIMARY KEY (block, peer)
) STRICT, WITHOUT ROWID;

-- What was folded away by now is counted for nobody.
INSERT INTO usage (block, peer, disk, content, sum)
SELECT change.block, replica.peer, sum(length(change.bytes) + 160), sum(max(0, length(change.bytes) - 128)), 0
FROM change JOIN replica ON replica.id = change.origin GROUP BY change.block, replica.peer;
UPDATE usage SET sum = row_sum('usage', block, peer, disk, content);
