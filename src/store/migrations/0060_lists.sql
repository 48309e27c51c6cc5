-- How the lists of /api/v2 are read: from the newest on, behind the last row that was shown. A time
-- alone does not say which row that was, so that each index ends with the id.
CREATE INDEX calls_by_time ON calls (started_at, id);
CREATE INDEX calls_of_number_by_time ON calls (number, started_at, id);
CREATE INDEX calls_by_state ON calls (state, started_at, id);
CREATE INDEX calls_of_scan_by_time ON calls (scan_id, started_at, id);
CREATE INDEX numbers_by_time ON numbers (created_at, id);
CREATE INDEX numbers_by_completion ON numbers (completed, created_at, id);
-- Rows taken over from an older service may have no time.
CREATE INDEX scans_by_time ON scans (COALESCE(created_at, 0), id);
CREATE INDEX scans_by_status ON scans (status, COALESCE(created_at, 0), id);
CREATE INDEX scans_of_number_by_time ON scans (number_id, COALESCE(created_at, 0), id);
CREATE INDEX sms_by_time ON sms (created_at, id);
CREATE INDEX sms_to_by_time ON sms (sms_to, created_at, id);
CREATE INDEX sms_by_state ON sms (state, created_at, id);
CREATE INDEX extensions_by_time ON extensions (created_at, id);
CREATE INDEX dids_by_time ON dids (created_at, id);
