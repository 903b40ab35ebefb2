-- When what is said of a block beside its content was said last. Keeps: it only rises for a generation, so that of two
-- versions the later one is known also by a daemon that has lost it. Of its events of kind 'meta' the last is kept: it says all.
ALTER TABLE block ADD COLUMN meta_at_ms INTEGER NOT NULL DEFAULT 0;
UPDATE block SET meta_at_ms = created_at_ms;
UPDATE block SET sum = row_sum('block', id, address, scope, label, generation, schema, meta, owner, created_at_ms,
  created_seq, meta_seq, visible_seq, deleted_seq, max_op, ops, gaps, changes, heads, horizon_seq, meta_at_ms);
