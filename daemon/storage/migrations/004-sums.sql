-- A checksum for each row that says what holds. Keeps: sum covers every other column of the row (of a peer: its grants as
-- well) and is compared whenever the row is read; one that does not fit is reported, and what it says is not believed.
ALTER TABLE epoch ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE epoch SET sum = row_sum('epoch', n, id, start_seq);

ALTER TABLE peer ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE peer SET sum = row_sum('peer', peer, name, state, grant_version, asked, manifest, decided_at_ms,
  (SELECT coalesce(group_concat(text, char(10) ORDER BY n), '') FROM grant_ WHERE grant_.peer = peer.peer));

ALTER TABLE request ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE request SET sum = row_sum('request', n, code, digest, peer, manifest, wants, nonce, from_address, state,
  created_at_ms, expires_at_ms);

ALTER TABLE invite ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE invite SET sum = row_sum('invite', hash, grants, name, expires_at_ms, claimed_by);

ALTER TABLE replica ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE replica SET sum = row_sum('replica', id, peer, replica);

ALTER TABLE block ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE block SET sum = row_sum('block', id, address, scope, label, generation, schema, meta, owner, created_at_ms,
  created_seq, meta_seq, visible_seq, deleted_seq, max_op, ops, gaps, changes, heads, horizon_seq);

-- The creation of a block says all of it that no change tells, so that its row can be made again.
ALTER TABLE event ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE event SET data = (SELECT json_object('scope', scope, 'label', label, 'generation', generation, 'schema', schema,
  'meta', json(meta), 'owner', owner, 'atMs', created_at_ms) FROM block WHERE block.id = event.block)
WHERE kind = 'create';
UPDATE event SET sum = row_sum('event', seq, block, kind, origin, data);

ALTER TABLE clock ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE clock SET sum = row_sum('clock', block, actor, seq, hash, max_op, signature);

ALTER TABLE object ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE object SET sum = row_sum('object', block, id, type, depth);

ALTER TABLE verified ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE verified SET sum = row_sum('verified', block, seq);

ALTER TABLE quarantine ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE quarantine SET sum = row_sum('quarantine', block, hash, seq, event_seq, actor, actor_seq, peer, cause, reason, at_ms);

ALTER TABLE suspension ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE suspension SET sum = row_sum('suspension', peer, reason, at_ms);
