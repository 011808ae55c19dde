-- compatible: additive
-- The oldest schema whose libraries may go on writing once this one is applied; NULL: none but its own.
ALTER TABLE {schema}.schema_version ADD COLUMN oldest_writer integer;
