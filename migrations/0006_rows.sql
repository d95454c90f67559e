-- How many rows a step took away, which retention answers for and a size does not tell.

ALTER TABLE dbopt.history ADD COLUMN rows bigint;

COMMENT ON COLUMN dbopt.history.rows IS 'Rows that were deleted, or moved into an archive; null of what does not count them';
