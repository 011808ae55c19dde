-- compatible: additive
-- The oldest schema whose libraries may go on writing once this one is applied; NULL: none but its own.
ALTER TABLE holdfast_schema ADD COLUMN oldest_writer INTEGER;
