-- The schema of version 0.1.0.
CREATE TABLE generation_records (
    id INTEGER PRIMARY KEY AUTOINCREMENT, created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    prompt TEXT NOT NULL DEFAULT '', negative_prompt TEXT NOT NULL DEFAULT '',
    aspect_ratio TEXT NOT NULL DEFAULT '', resolution TEXT NOT NULL DEFAULT '', width INTEGER, height INTEGER,
    num_images INTEGER NOT NULL DEFAULT 1, seed INTEGER, steps INTEGER,
    sample_images TEXT NOT NULL DEFAULT '[]', image_path TEXT NOT NULL DEFAULT '',
    filename TEXT NOT NULL DEFAULT '', batch_id TEXT, status TEXT NOT NULL DEFAULT 'success',
    model TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT '', cause TEXT NOT NULL DEFAULT '',
    cost_micros INTEGER NOT NULL DEFAULT 0, at_stake_micros INTEGER NOT NULL DEFAULT 0,
    favourite INTEGER NOT NULL DEFAULT 0, started_at TEXT, finished_at TEXT, deleted_at TEXT,
    row_number INTEGER NOT NULL DEFAULT 1, picture_number INTEGER NOT NULL DEFAULT 1,
    file_stem TEXT NOT NULL DEFAULT '', file_key TEXT, file_size INTEGER, format TEXT NOT NULL DEFAULT '',
    sha256 TEXT NOT NULL DEFAULT '', requested_filename TEXT NOT NULL DEFAULT '', ticket TEXT,
    attempts INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0,
    throttled INTEGER NOT NULL DEFAULT 0, lapses INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0, lease_until REAL, lease_owner TEXT,
    version INTEGER NOT NULL DEFAULT 0, collecting INTEGER NOT NULL DEFAULT 0,
    cost_unpriced INTEGER NOT NULL DEFAULT 0, at_stake_unpriced INTEGER NOT NULL DEFAULT 0, deletion INTEGER
);
CREATE TABLE batches (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, source TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'cancelled', 'finished')),
    paused_reason TEXT NOT NULL DEFAULT '', created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    total INTEGER NOT NULL, estimated_micros INTEGER NOT NULL, priority INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL, is_priced INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE batch_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT, batch_id TEXT NOT NULL, record_id INTEGER,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')), level TEXT NOT NULL, text TEXT NOT NULL,
    version INTEGER NOT NULL
);
CREATE TABLE change_counter (
    value INTEGER NOT NULL
);
CREATE TABLE sends (
    id INTEGER PRIMARY KEY AUTOINCREMENT, record_id INTEGER NOT NULL, batch_id TEXT, model TEXT NOT NULL,
    price_micros INTEGER NOT NULL, ticket TEXT,
    outcome TEXT NOT NULL DEFAULT 'open' CHECK (outcome IN ('open', 'billed', 'not_billed', 'unknown')),
    cause TEXT NOT NULL DEFAULT '', sent_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    closed_at TEXT, settlement_id INTEGER, is_free INTEGER NOT NULL DEFAULT 0,
    is_priced INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE record_counts (
    is_deleted INTEGER NOT NULL, status TEXT NOT NULL, aspect_ratio TEXT NOT NULL, resolution TEXT NOT NULL,
    model TEXT NOT NULL, favourite INTEGER NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (is_deleted, status, aspect_ratio, resolution, model, favourite)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE prompt_search USING fts5 (grams, content = '', tokenize = 'ascii', prefix = '1 2');
CREATE TABLE search_state (
    folding TEXT NOT NULL, added INTEGER NOT NULL DEFAULT 0, is_merging INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE search_backlog (
    id INTEGER PRIMARY KEY, indexed_prompt TEXT
);
CREATE TABLE reference_uses (
    name TEXT NOT NULL, record_id INTEGER NOT NULL, PRIMARY KEY (name, record_id)
) WITHOUT ROWID;
CREATE TABLE output_copies (
    record_id INTEGER PRIMARY KEY, filename TEXT NOT NULL, key TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'kept', 'gone')),
    tries INTEGER NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT ''
);
CREATE TABLE settlements (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    billed INTEGER NOT NULL
);
CREATE TABLE settled_records (
    settlement_id INTEGER NOT NULL REFERENCES settlements (id), record_id INTEGER NOT NULL,
    error TEXT NOT NULL, cause TEXT NOT NULL, PRIMARY KEY (settlement_id, record_id)
) WITHOUT ROWID;
CREATE TABLE sends_totals (
    outcome TEXT PRIMARY KEY, number INTEGER NOT NULL, micros INTEGER NOT NULL,
    unpriced INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE sends_by_hour (
    hour TEXT NOT NULL, model TEXT NOT NULL, outcome TEXT NOT NULL, number INTEGER NOT NULL,
    micros INTEGER NOT NULL, unpriced INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (hour, model, outcome)
) WITHOUT ROWID;
CREATE TABLE request_keys (
    key TEXT PRIMARY KEY, digest TEXT NOT NULL, answer TEXT NOT NULL, used_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE copies_noted (
    up_to INTEGER NOT NULL
);
CREATE INDEX batches_active ON batches (priority DESC, created_at) WHERE state = 'active';
CREATE INDEX batches_paused ON batches (created_at) WHERE state = 'paused';
CREATE INDEX batches_source ON batches (source, created_at);
CREATE INDEX records_of_batch ON generation_records (batch_id, status);
CREATE INDEX records_ordered ON generation_records (batch_id) WHERE status = 'queued' AND ticket IS NOT NULL;
CREATE INDEX records_changed ON generation_records (batch_id, version);
CREATE INDEX records_open ON generation_records (status, lease_until) WHERE status IN ('queued', 'running');
CREATE INDEX records_shown ON generation_records (id) WHERE deleted_at IS NULL AND status NOT IN ('queued', 'running');
CREATE UNIQUE INDEX records_file_key ON generation_records (file_key) WHERE file_key IS NOT NULL;
CREATE INDEX log_of_batch ON batch_log (batch_id, version);
CREATE INDEX sends_of_record ON sends (record_id);
CREATE INDEX records_facets ON generation_records (id, aspect_ratio, resolution, model, favourite, status, created_at) WHERE deleted_at IS NULL AND status NOT IN ('queued', 'running');
CREATE INDEX records_created ON generation_records (created_at) WHERE deleted_at IS NULL AND status NOT IN ('queued', 'running');
CREATE INDEX records_unsuccessful ON generation_records (status, id) WHERE deleted_at IS NULL AND status IN ('failed', 'unknown', 'cancelled');
CREATE INDEX records_favourite ON generation_records (id) WHERE favourite = 1 AND deleted_at IS NULL;
CREATE INDEX records_trash ON generation_records (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX records_filename ON generation_records (filename COLLATE NOCASE) WHERE filename <> '';
CREATE INDEX uses_of_record ON reference_uses (record_id);
CREATE INDEX copies_by_filename ON output_copies (filename);
CREATE INDEX copies_by_state ON output_copies (state);
CREATE INDEX sends_settled ON sends (settlement_id) WHERE settlement_id IS NOT NULL;
CREATE INDEX sends_of_time ON sends (sent_at);
CREATE INDEX records_amiss ON generation_records (created_at, cause) WHERE status IN ('failed', 'unknown') AND deleted_at IS NULL;
CREATE INDEX copies_due ON output_copies (not_before, record_id DESC) WHERE state = 'waiting';
CREATE INDEX sends_in_doubt ON sends (record_id, price_micros, is_priced) WHERE outcome = 'unknown';
CREATE INDEX sends_of_batch ON sends (batch_id, outcome, price_micros, is_priced);
CREATE INDEX records_sums ON generation_records (batch_id, status, cost_micros, at_stake_micros, cost_unpriced, at_stake_unpriced);
CREATE INDEX request_keys_used ON request_keys (used_at);
CREATE INDEX records_of_deletion ON generation_records (deletion) WHERE deletion IS NOT NULL;
CREATE TRIGGER count_new AFTER INSERT ON generation_records
BEGIN
    INSERT INTO record_counts (is_deleted, status, aspect_ratio, resolution, model, favourite, number)
    VALUES (NEW.deleted_at IS NOT NULL, NEW.status, NEW.aspect_ratio, NEW.resolution, NEW.model, NEW.favourite, 1)
    ON CONFLICT DO UPDATE SET number = number + 1;
 END;
CREATE TRIGGER count_gone AFTER DELETE ON generation_records
BEGIN
    INSERT INTO record_counts (is_deleted, status, aspect_ratio, resolution, model, favourite, number)
    VALUES (OLD.deleted_at IS NOT NULL, OLD.status, OLD.aspect_ratio, OLD.resolution, OLD.model, OLD.favourite, -1)
    ON CONFLICT DO UPDATE SET number = number + -1;
 END;
CREATE TRIGGER count_changed AFTER UPDATE OF deleted_at, status, aspect_ratio, resolution, model, favourite ON generation_records
BEGIN
    INSERT INTO record_counts (is_deleted, status, aspect_ratio, resolution, model, favourite, number)
    VALUES (OLD.deleted_at IS NOT NULL, OLD.status, OLD.aspect_ratio, OLD.resolution, OLD.model, OLD.favourite, -1)
    ON CONFLICT DO UPDATE SET number = number + -1;
    INSERT INTO record_counts (is_deleted, status, aspect_ratio, resolution, model, favourite, number)
    VALUES (NEW.deleted_at IS NOT NULL, NEW.status, NEW.aspect_ratio, NEW.resolution, NEW.model, NEW.favourite, 1)
    ON CONFLICT DO UPDATE SET number = number + 1;
 END;
CREATE TRIGGER search_new AFTER INSERT ON generation_records
WHEN (NEW.deleted_at IS NULL AND NEW.status NOT IN ('queued', 'running'))
BEGIN INSERT OR IGNORE INTO search_backlog (id) VALUES (NEW.id); END;
CREATE TRIGGER search_gone AFTER DELETE ON generation_records
WHEN (OLD.deleted_at IS NULL AND OLD.status NOT IN ('queued', 'running'))
BEGIN INSERT OR IGNORE INTO search_backlog (id, indexed_prompt) VALUES (OLD.id, OLD.prompt); END;
CREATE TRIGGER search_changed AFTER UPDATE OF status, deleted_at, prompt ON generation_records
WHEN (OLD.deleted_at IS NULL AND OLD.status NOT IN ('queued', 'running')) <> (NEW.deleted_at IS NULL AND NEW.status NOT IN ('queued', 'running')) OR ((OLD.deleted_at IS NULL AND OLD.status NOT IN ('queued', 'running')) AND OLD.prompt <> NEW.prompt)
BEGIN
    INSERT OR IGNORE INTO search_backlog (id, indexed_prompt)
    VALUES (OLD.id, CASE WHEN (OLD.deleted_at IS NULL AND OLD.status NOT IN ('queued', 'running')) THEN OLD.prompt END);
END;
CREATE TRIGGER uses_noted AFTER INSERT ON generation_records
WHEN NEW.sample_images <> '[]'
BEGIN
    INSERT OR IGNORE INTO reference_uses
    SELECT name.value, NEW.id
    FROM  json_each(CASE WHEN json_valid(NEW.sample_images) THEN NEW.sample_images ELSE '[]' END) AS image, json_each(json_array(json_extract(image.value, '$.sha256'), json_extract(image.value, '$.url'))) AS name
    WHERE image.type = 'object' AND coalesce(name.value, '') <> '' AND NEW.sample_images <> '[]'
;
END;
CREATE TRIGGER uses_forgotten AFTER DELETE ON generation_records
BEGIN
    DELETE FROM reference_uses WHERE record_id = OLD.id;
    DELETE FROM output_copies WHERE record_id = OLD.id;
END;
CREATE TRIGGER sends_added AFTER INSERT ON sends BEGIN
    UPDATE sends_totals
    SET number = number + 1, micros = micros + new.price_micros, unpriced = unpriced + (NOT new.is_priced)
    WHERE outcome = new.outcome;
    INSERT INTO sends_by_hour (hour, model, outcome, number, micros, unpriced)
    VALUES (substr(new.sent_at, 1, 13), new.model, new.outcome, 1, new.price_micros, NOT new.is_priced)
    ON CONFLICT DO UPDATE SET number = number + 1, micros = micros + excluded.micros,
        unpriced = unpriced + excluded.unpriced;
 END;
CREATE TRIGGER sends_removed AFTER DELETE ON sends BEGIN
    UPDATE sends_totals
    SET number = number - 1, micros = micros - old.price_micros, unpriced = unpriced - (NOT old.is_priced)
    WHERE outcome = old.outcome;
    UPDATE sends_by_hour
    SET number = number - 1, micros = micros - old.price_micros, unpriced = unpriced - (NOT old.is_priced)
    WHERE hour = substr(old.sent_at, 1, 13) AND model = old.model AND outcome = old.outcome;
 END;
CREATE TRIGGER sends_changed AFTER UPDATE OF outcome, price_micros, is_priced, model, sent_at ON sends
   BEGIN
   UPDATE sends_totals
   SET number = number - 1, micros = micros - old.price_micros, unpriced = unpriced - (NOT old.is_priced)
   WHERE outcome = old.outcome;
   UPDATE sends_by_hour
   SET number = number - 1, micros = micros - old.price_micros, unpriced = unpriced - (NOT old.is_priced)
   WHERE hour = substr(old.sent_at, 1, 13) AND model = old.model AND outcome = old.outcome;
   UPDATE sends_totals
   SET number = number + 1, micros = micros + new.price_micros, unpriced = unpriced + (NOT new.is_priced)
   WHERE outcome = new.outcome;
   INSERT INTO sends_by_hour (hour, model, outcome, number, micros, unpriced)
   VALUES (substr(new.sent_at, 1, 13), new.model, new.outcome, 1, new.price_micros, NOT new.is_priced)
   ON CONFLICT DO UPDATE SET number = number + 1, micros = micros + excluded.micros,
       unpriced = unpriced + excluded.unpriced;
END;
INSERT INTO change_counter VALUES (1);
INSERT INTO search_state VALUES ('1/14.0.0', 0, 0);
INSERT INTO sends_totals VALUES ('billed', 0, 0, 0);
INSERT INTO sends_totals VALUES ('not_billed', 0, 0, 0);
INSERT INTO sends_totals VALUES ('open', 0, 0, 0);
INSERT INTO sends_totals VALUES ('unknown', 0, 0, 0);
INSERT INTO copies_noted VALUES (0);
PRAGMA user_version = 11;
