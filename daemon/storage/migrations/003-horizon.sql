-- Up to where the changes of a block are no rows any more. Keeps: every change of the block after horizon_seq is a row of
-- `change`, every one up to it is in the block's snapshot, whose seq is not below it; rows in quarantine stay wherever
-- they are. It moves in the transaction that removes the rows, and never back. Clock and objects are those of all
-- changes, also of those that are no rows any more.
ALTER TABLE block ADD COLUMN horizon_seq INTEGER NOT NULL DEFAULT 0;
