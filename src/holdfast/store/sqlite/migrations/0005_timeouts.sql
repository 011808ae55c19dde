-- compatible: additive
-- Seconds that begin to count at the first claim by a library that knows them; NULL: none, or they have begun.
ALTER TABLE holdfast_workflow_info ADD COLUMN timeout REAL;
