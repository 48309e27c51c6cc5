-- How many scans there are, in all and of each number: a page of them tells it, and counting would
-- take longer the more there are.

INSERT INTO counters (name, last) SELECT 'scan_rows', COUNT(*) FROM scans;

ALTER TABLE numbers ADD COLUMN scans BIGINT NOT NULL DEFAULT 0;
UPDATE numbers SET scans = (SELECT COUNT(*) FROM scans WHERE scans.number_id = numbers.id);
