-- The schema of a new database file, which earlier files are upgraded to (see __init__.py). The tables and indexes of
-- PostgreSQL are made from it too (postgres.py): statements are separated by empty lines.
--
-- Money is in integer micro-yuan (1 CNY = 1,000,000). Times are UTC text, except not_before, lease_until and used_at,
-- which are Unix seconds. Defaults of times serve other programs only: the app passes every time itself.
-- Triggers maintain the sums and the search backlog, so that other programs may write to generation_records.

-- One row is one picture, from queued to stored; the row is also its entry in the queue.
-- The columns up to status are a public contract. options (app/domain/requests.py) and marks (app/domain/records.py)
-- are JSON objects, or empty.
CREATE TABLE generation_records (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    prompt TEXT NOT NULL DEFAULT '',
    negative_prompt TEXT NOT NULL DEFAULT '',
    aspect_ratio TEXT NOT NULL DEFAULT '',
    resolution TEXT NOT NULL DEFAULT '',
    width INTEGER,
    height INTEGER,
    num_images INTEGER NOT NULL DEFAULT 1,
    seed INTEGER,
    steps INTEGER,
    sample_images TEXT NOT NULL DEFAULT '[]',
    image_path TEXT NOT NULL DEFAULT '',
    filename TEXT NOT NULL DEFAULT '',
    batch_id TEXT,
    status TEXT NOT NULL DEFAULT 'success',
    model TEXT NOT NULL DEFAULT '',
    -- Why it failed: the sentence, the same as JSON (message id and values), and a word to group by.
    error TEXT NOT NULL DEFAULT '',
    error_message TEXT NOT NULL DEFAULT '',
    cause TEXT NOT NULL DEFAULT '',
    -- Charged, and possibly charged (outcome unknown); …_unpriced is the number of charges of unknown price in it.
    cost_micros INTEGER NOT NULL DEFAULT 0,
    cost_unpriced INTEGER NOT NULL DEFAULT 0,
    at_stake_micros INTEGER NOT NULL DEFAULT 0,
    at_stake_unpriced INTEGER NOT NULL DEFAULT 0,
    -- keep, reject, or empty: not chosen.
    pick TEXT NOT NULL DEFAULT '',
    started_at TEXT,
    finished_at TEXT,
    deleted_at TEXT,
    -- The call that moved it to the trash, for undo; -1 while the trash is being emptied.
    deletion_id INTEGER,
    row_number INTEGER NOT NULL DEFAULT 1,
    picture_number INTEGER NOT NULL DEFAULT 1,
    -- The file name promised to this record, without extension; file_key is its case-folded form.
    reserved_stem TEXT NOT NULL DEFAULT '',
    file_key TEXT,
    file_size INTEGER,
    format TEXT NOT NULL DEFAULT '',
    sha256 TEXT NOT NULL DEFAULT '',
    requested_filename TEXT NOT NULL DEFAULT '',
    -- JSON objects, or empty: the user's own columns in the sheet's order, and the fields whose typed form differs.
    -- position is the {序号} of the row; NULL: it was filled before.
    own_columns TEXT NOT NULL DEFAULT '',
    templates TEXT NOT NULL DEFAULT '',
    position INTEGER,
    -- own_columns with the names and own columns of other rows that show the picture; empty: the same as own_columns.
    searched_columns TEXT NOT NULL DEFAULT '',
    options TEXT NOT NULL DEFAULT '',
    marks TEXT NOT NULL DEFAULT '',
    -- Of the row, the same for all its pictures (see app/domain/fingerprints.py); empty until it is computed.
    fingerprint TEXT NOT NULL DEFAULT '',
    -- The provider's id of the picture under way: with it a result is fetched, without it the request is submitted.
    task_id TEXT,
    fetch_while_paused INTEGER NOT NULL DEFAULT 0,
    -- attempts is the fencing token of a claim.
    attempts INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    throttle_count INTEGER NOT NULL DEFAULT 0,
    crash_count INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    lease_until REAL,
    lease_owner TEXT,
    version INTEGER NOT NULL DEFAULT 0,
    -- Who had it made since its batch was ordered: who retried, released or added it. NULL: who ordered the batch;
    -- 0: the person at the machine.
    person_id INTEGER,
    -- Who chose last, where somebody had logged in; NULL also for the choice of a client.
    pick_person_id INTEGER
);

CREATE INDEX records_of_batch ON generation_records (batch_id, status);

CREATE INDEX records_sums ON generation_records
    (batch_id, status, model, cost_micros, at_stake_micros, cost_unpriced, at_stake_unpriced);

CREATE INDEX records_claimable ON generation_records (batch_id, model)
WHERE status = 'queued';

CREATE INDEX records_submitted ON generation_records (batch_id)
WHERE status = 'queued' AND task_id IS NOT NULL;

CREATE INDEX records_changed ON generation_records (batch_id, version);

CREATE INDEX records_open ON generation_records (status, lease_until)
WHERE status IN ('held', 'queued', 'running');

CREATE UNIQUE INDEX records_file_key ON generation_records (file_key)
WHERE file_key IS NOT NULL;

CREATE INDEX records_fingerprint ON generation_records (fingerprint, picture_number, status, deleted_at);

CREATE INDEX records_filename ON generation_records (filename COLLATE NOCASE)
WHERE filename <> '';

CREATE INDEX records_visible ON generation_records (id)
WHERE deleted_at IS NULL AND status NOT IN ('held', 'queued', 'running');

CREATE INDEX records_facets
ON generation_records (id, aspect_ratio, resolution, model, status, created_at)
WHERE deleted_at IS NULL AND status NOT IN ('held', 'queued', 'running');

CREATE INDEX records_created
ON generation_records (created_at, status, aspect_ratio, resolution, model)
WHERE deleted_at IS NULL AND status NOT IN ('held', 'queued', 'running');

CREATE INDEX records_unsuccessful ON generation_records (status, id)
WHERE deleted_at IS NULL AND status IN ('failed', 'unknown', 'cancelled');

CREATE INDEX records_causes ON generation_records (created_at, cause)
WHERE status IN ('failed', 'unknown') AND deleted_at IS NULL;

CREATE INDEX records_picked ON generation_records (pick, id)
WHERE pick <> '' AND deleted_at IS NULL;

CREATE INDEX records_picked_of_batch ON generation_records (batch_id, pick)
WHERE pick <> '' AND deleted_at IS NULL;

CREATE INDEX records_trash ON generation_records (deleted_at)
WHERE deleted_at IS NOT NULL;

CREATE INDEX records_of_person ON generation_records (person_id, batch_id)
WHERE person_id IS NOT NULL;

CREATE INDEX records_of_deletion ON generation_records (deletion_id)
WHERE deletion_id IS NOT NULL;

-- Records submitted together. stop_after and outcomes are JSON, or empty: when the batch pauses by itself
-- (app/domain/batches.py), and what it has seen since it was resumed. paused_cause is a PauseCause.
-- filled_on is the date that {日期} stands for (2026-03-01), of the server's time zone. copied_from is the id of the
-- batch whose rows it repeats, on another model. table_id is the table whose rows it makes; NULL: of one picture.
-- person_id is who ordered it; NULL: the person at the machine, or not known.
CREATE TABLE batches (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'cancelled', 'finished')),
    paused_reason TEXT NOT NULL DEFAULT '',
    paused_message TEXT NOT NULL DEFAULT '',
    paused_cause TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    total INTEGER NOT NULL,
    estimated_micros INTEGER NOT NULL,
    is_priced INTEGER NOT NULL DEFAULT 1,
    priority INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL,
    stop_after TEXT NOT NULL DEFAULT '',
    outcomes TEXT NOT NULL DEFAULT '',
    workbook_id TEXT,
    filled_on TEXT NOT NULL DEFAULT '',
    copied_from TEXT,
    table_id TEXT,
    person_id INTEGER
);

CREATE INDEX batches_active ON batches (priority DESC, created_at, id)
WHERE state = 'active';

CREATE INDEX batches_paused ON batches (created_at)
WHERE state = 'paused';

CREATE INDEX batches_source ON batches (source, created_at, id);

CREATE INDEX batches_copied_from ON batches (copied_from)
WHERE copied_from IS NOT NULL;

CREATE INDEX batches_workbook ON batches (workbook_id)
WHERE workbook_id IS NOT NULL;

CREATE INDEX batches_table ON batches (table_id)
WHERE table_id IS NOT NULL;

-- A table of rows that somebody works on. own_columns is a JSON list: the names of the own columns in their order.
-- model is that of the rows that name none, empty for the default one; filled_on is as in batches.
-- workbook_id is the newest version of the file that it came from. checked_with is a digest of what the cached columns
-- of its rows depend on besides the rows, empty when they are not checked yet. recipe is JSON, the recipe as it was
-- applied, or empty. person_id is who made it; NULL: the person at the machine, or not known.
CREATE TABLE tables (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    version INTEGER NOT NULL,
    model TEXT NOT NULL DEFAULT '',
    filled_on TEXT NOT NULL DEFAULT '',
    own_columns TEXT NOT NULL DEFAULT '[]',
    workbook_id TEXT,
    checked_with TEXT NOT NULL DEFAULT '',
    archived_at TEXT,
    deleted_at TEXT,
    recipe TEXT NOT NULL DEFAULT '',
    person_id INTEGER
);

CREATE INDEX tables_updated ON tables (updated_at);

CREATE INDEX tables_workbook ON tables (workbook_id)
WHERE workbook_id IS NOT NULL;

-- cells: JSON, the fields as they stood in the file, with the own columns under columns; empty for a typed row.
-- fields: JSON, those now, as typed, without empty ones; own_columns: JSON of those now, or empty.
-- number: unique in its table, the line in the file, kept when the row moves. is_gone: not in the newest version of the
-- file. removed_at: removed, kept for undo and for pages that poll. version: of its last change.
-- Cached by the check, see checked_with: sent is JSON, the words of the request where they differ from the fields, or
-- empty; filename is as asked for, with its variables replaced; is_seeded: the request has a seed, so that each picture
-- number is a picture of its own; fingerprint is that of the request, empty for an empty row or one with problems, but
-- that of a row that cannot be made any more stays; price_micros is of one picture, NULL when it is unknown; problems is
-- a JSON list of [field, message], or empty. product: the number of the row that the recipe made this one of, or 0;
-- role: what it is of the set of the product.
CREATE TABLE table_rows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    table_id TEXT NOT NULL,
    position REAL NOT NULL,
    number INTEGER NOT NULL,
    cells TEXT NOT NULL DEFAULT '',
    fields TEXT NOT NULL DEFAULT '{}',
    own_columns TEXT NOT NULL DEFAULT '',
    sent TEXT NOT NULL DEFAULT '',
    filename TEXT NOT NULL DEFAULT '',
    num_images INTEGER NOT NULL DEFAULT 1,
    is_seeded INTEGER NOT NULL DEFAULT 0,
    fingerprint TEXT NOT NULL DEFAULT '',
    price_micros INTEGER,
    problems TEXT NOT NULL DEFAULT '',
    is_gone INTEGER NOT NULL DEFAULT 0,
    removed_at TEXT,
    version INTEGER NOT NULL,
    product INTEGER NOT NULL DEFAULT 0,
    role TEXT NOT NULL DEFAULT ''
);

CREATE INDEX rows_of_table ON table_rows (table_id, position, id);

CREATE INDEX rows_numbered ON table_rows (table_id, number);

CREATE INDEX rows_changed ON table_rows (table_id, version);

CREATE INDEX rows_fingerprint ON table_rows (fingerprint)
WHERE fingerprint <> '';

-- The pictures bought for a row (is_shared is 0), and those of equal rows that a run showed in it instead of buying
-- (is_shared is 1). batch_id is the run.
CREATE TABLE row_pictures (
    row_id INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    batch_id TEXT,
    is_shared INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (row_id, record_id)
) WITHOUT ROWID;

CREATE INDEX pictures_of_record ON row_pictures (record_id);

CREATE INDEX pictures_of_batch ON row_pictures (batch_id);

-- The versions of the workbook that a table came from.
CREATE TABLE table_workbooks (
    table_id TEXT NOT NULL,
    workbook_id TEXT NOT NULL,
    imported_at TEXT NOT NULL,
    PRIMARY KEY (table_id, workbook_id)
) WITHOUT ROWID;

CREATE INDEX tables_of_workbook ON table_workbooks (workbook_id);

-- What happened to a table: the version that the call answered with, what undoes it as JSON, and whose it was.
CREATE TABLE table_changes (
    version INTEGER PRIMARY KEY,
    table_id TEXT NOT NULL,
    at TEXT NOT NULL,
    inverse TEXT NOT NULL,
    person_id INTEGER
);

CREATE INDEX changes_of_table ON table_changes (table_id);

-- Imported spreadsheet files; id is the SHA-256 of the content, notes a JSON list of messages. cells: JSON, the cells
-- of its lines by line, as table_rows has them; empty when an earlier version stored it.
CREATE TABLE workbooks (
    id TEXT PRIMARY KEY,
    filename TEXT NOT NULL,
    sheet TEXT NOT NULL,
    header_row INTEGER NOT NULL,
    notes TEXT NOT NULL DEFAULT '[]',
    cells TEXT NOT NULL DEFAULT '',
    imported_at TEXT NOT NULL,
    content BLOB NOT NULL
);

-- What happened in a batch, as shown to the user.
CREATE TABLE batch_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id TEXT NOT NULL,
    record_id INTEGER,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    level TEXT NOT NULL,
    text TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT '',
    version INTEGER NOT NULL
);

CREATE INDEX log_of_batch ON batch_log (batch_id, version);

-- One row: the last version given to a change of a record, batch, table or row.
CREATE TABLE change_counter (value INTEGER NOT NULL);

-- Idempotency keys of requests, with the answer as JSON and when it was given.
CREATE TABLE request_keys (
    key TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    answer TEXT NOT NULL,
    used_at REAL NOT NULL
) WITHOUT ROWID;

CREATE INDEX request_keys_used ON request_keys (used_at);

-- The ledger: one row for each call that may cost money, written before the call. It outlives its record.
-- usage is what the service reported of it, a JSON object of numbers, or empty; usage_differs: other numbers of
-- pictures or references than were ordered. person_id is that of its record at that time.
CREATE TABLE charges (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    record_id INTEGER NOT NULL,
    batch_id TEXT,
    model TEXT NOT NULL,
    -- Of an unknown price is_priced is 0 and price_micros too. is_free: it can never cost money.
    price_micros INTEGER NOT NULL,
    is_priced INTEGER NOT NULL DEFAULT 1,
    is_free INTEGER NOT NULL DEFAULT 0,
    task_id TEXT,
    outcome TEXT NOT NULL DEFAULT 'open' CHECK (outcome IN ('open', 'billed', 'not_billed', 'unknown')),
    cause TEXT NOT NULL DEFAULT '',
    opened_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    closed_at TEXT,
    resolution_id INTEGER,
    usage TEXT NOT NULL DEFAULT '',
    usage_differs INTEGER NOT NULL DEFAULT 0,
    -- Those of its record, once that is deleted for good.
    own_columns TEXT NOT NULL DEFAULT '',
    person_id INTEGER
);

CREATE INDEX charges_of_record ON charges (record_id);

CREATE INDEX charges_of_batch ON charges (batch_id, outcome, price_micros, is_priced);

CREATE INDEX charges_opened ON charges (opened_at);

CREATE INDEX charges_of_person ON charges (person_id, opened_at, outcome, price_micros)
WHERE person_id IS NOT NULL;

CREATE INDEX charges_unknown ON charges (record_id, price_micros, is_priced)
WHERE outcome = 'unknown';

CREATE INDEX charges_differing ON charges (opened_at)
WHERE usage_differs;

CREATE INDEX charges_of_resolution ON charges (resolution_id)
WHERE resolution_id IS NOT NULL;

-- Spending limits set on /usage: total, month, batch. NULL: no limit. Without a row for total, BUDGET applies.
CREATE TABLE budgets (
    name TEXT PRIMARY KEY CHECK (name IN ('total', 'month', 'batch')),
    micros INTEGER
) WITHOUT ROWID;

-- Own profiles of deliveries. fields: JSON, as app/delivery/profiles.py reads it.
CREATE TABLE delivery_profiles (
    name TEXT PRIMARY KEY,
    fields TEXT NOT NULL
) WITHOUT ROWID;

-- Own recipes. fields: JSON, as app/domain/recipes.py reads it.
CREATE TABLE recipes (
    name TEXT PRIMARY KEY,
    fields TEXT NOT NULL
) WITHOUT ROWID;

-- What left the house: of a table, or without one of chosen records. content: JSON, and problems and shown, which few
-- calls read (app/delivery/store.py). made, failed and bytes are those of its files; finished_at: all of it was sent.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    table_id TEXT,
    content TEXT NOT NULL,
    problems TEXT NOT NULL,
    shown TEXT NOT NULL,
    files INTEGER NOT NULL,
    made INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    finished_at TEXT
);

-- The files of a delivery in their order. width and height: of the original. made: JSON of what making it came to.
CREATE TABLE delivery_files (
    delivery_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    row_number INTEGER NOT NULL,
    row_id INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    made TEXT,
    PRIMARY KEY (delivery_id, number)
) WITHOUT ROWID;

CREATE INDEX delivery_files_open ON delivery_files (delivery_id, number) WHERE made IS NULL;

CREATE INDEX deliveries_of_table ON deliveries (table_id, created_at);

-- Rounds of clients: one is a link to some pictures of a table. token_digest: SHA-256 of what the link ends in.
-- password_digest: salt and scrypt, empty without one. download: the profile of deliveries that the client may download
-- what was chosen by, or empty. version changes with each mark; submitted_version is that of the table's change.
-- changes: of the minute that began at minute_at (Unix seconds). person_id: who made it; NULL: as in tables.
CREATE TABLE rounds (
    id TEXT PRIMARY KEY,
    table_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    client TEXT NOT NULL,
    token_digest TEXT NOT NULL,
    password_digest TEXT NOT NULL DEFAULT '',
    password_version INTEGER NOT NULL DEFAULT 0,
    at_most INTEGER,
    download TEXT NOT NULL DEFAULT '',
    watermark TEXT NOT NULL DEFAULT '',
    ends_at TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'submitted', 'closed')),
    created_at TEXT NOT NULL,
    submitted_at TEXT,
    submitted_version INTEGER,
    delivery_id TEXT,
    version INTEGER NOT NULL DEFAULT 0,
    minute_at REAL NOT NULL DEFAULT 0,
    changes INTEGER NOT NULL DEFAULT 0,
    person_id INTEGER
);

CREATE UNIQUE INDEX rounds_by_token ON rounds (token_digest);

CREATE INDEX rounds_of_table ON rounds (table_id, created_at);

-- The pictures of a round, numbered from 1. earlier_record_id: the one of the round before that it follows.
CREATE TABLE round_pictures (
    round_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    row_id INTEGER NOT NULL,
    label TEXT NOT NULL DEFAULT '',
    earlier_record_id INTEGER,
    PRIMARY KEY (round_id, n)
) WITHOUT ROWID;

CREATE INDEX rounds_of_record ON round_pictures (record_id);

-- What a client says of a picture: mark is heart, reject or empty. applied: what was written into the table last.
-- is_done: the studio put the comment aside.
CREATE TABLE round_marks (
    round_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    mark TEXT NOT NULL DEFAULT '',
    comment TEXT NOT NULL DEFAULT '',
    changed_at TEXT NOT NULL,
    applied_mark TEXT NOT NULL DEFAULT '',
    applied_comment TEXT NOT NULL DEFAULT '',
    is_done INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (round_id, n)
) WITHOUT ROWID;

-- Messages for NOTIFY_URL, until they are delivered or too old. key: what is told once; times are Unix seconds.
CREATE TABLE notifications (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    key TEXT UNIQUE,
    content TEXT NOT NULL,
    created_at REAL NOT NULL,
    not_before REAL NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    sent_at REAL
);

-- What was measured of an image model: seconds an image, their mean deviation, and the concurrency that throttling left
-- (NULL: what MODEL_CONCURRENCY allows).
CREATE TABLE model_statistics (
    model TEXT PRIMARY KEY,
    seconds REAL,
    deviation REAL,
    concurrency REAL,
    updated_at TEXT NOT NULL
) WITHOUT ROWID;

-- Logins. digest is made of the cookie and the password (app/web/middleware/login.py); times are Unix seconds; agent is
-- the browser, in a few words.
CREATE TABLE sessions (
    digest TEXT PRIMARY KEY,
    expires_at REAL NOT NULL,
    person_id INTEGER NOT NULL DEFAULT 1,
    created_at REAL NOT NULL DEFAULT 0,
    seen_at REAL NOT NULL DEFAULT 0,
    address TEXT NOT NULL DEFAULT '',
    agent TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

CREATE INDEX sessions_expiring ON sessions (expires_at);

-- The people who share the installation; the first is there from the start, and its password is ACCESS_PASSWORD until it
-- has one of its own. folded_name tells names apart; role is owner, member or viewer; password is what
-- app/domain/people.py makes of one, empty without one, and password_version counts its changes. invitation_digest is of
-- the link by which a person chooses a password, invitation_ends_at Unix seconds. legacy_user_id is the id in the users
-- of an earlier app.
CREATE TABLE people (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    month_limit_micros INTEGER,
    password TEXT NOT NULL DEFAULT '',
    password_version INTEGER NOT NULL DEFAULT 0,
    active INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    invitation_digest TEXT UNIQUE,
    invitation_ends_at REAL,
    legacy_user_id TEXT
);

-- What scripts call the API with, instead of a login; times are Unix seconds.
CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    person_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    expires_at REAL,
    last_used_at REAL
);

-- The last changes of settings, budgets and people: what is a sentence (app/errors.py), with names and without values.
CREATE TABLE setting_changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    person_id INTEGER,
    what TEXT NOT NULL
);

-- What counts wrong passwords (Limit in app/db/sessions.py): how many, and until when, in Unix seconds.
CREATE TABLE login_attempts (
    client TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    next_at REAL NOT NULL
) WITHOUT ROWID;

-- The worker processes: when each was last alive, in Unix seconds, and what it reports, a JSON object.
CREATE TABLE workers (
    owner TEXT PRIMARY KEY,
    seen_at REAL NOT NULL,
    report TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

-- What a user decided about charges of unknown outcome.
CREATE TABLE resolutions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    billed INTEGER NOT NULL
);

-- The records that a resolution cancelled, as they were before, for undo.
CREATE TABLE resolved_records (
    resolution_id INTEGER NOT NULL REFERENCES resolutions (id),
    record_id INTEGER NOT NULL,
    error TEXT NOT NULL,
    error_message TEXT NOT NULL DEFAULT '',
    cause TEXT NOT NULL,
    PRIMARY KEY (resolution_id, record_id)
) WITHOUT ROWID;

-- Sums of the ledger by outcome. unpriced is the number of charges of unknown price.
CREATE TABLE charge_totals (
    outcome TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    micros INTEGER NOT NULL,
    unpriced INTEGER NOT NULL DEFAULT 0
);

-- The same by hour (UTC, 2026-03-01 16) and model too.
CREATE TABLE charges_by_hour (
    hour TEXT NOT NULL,
    model TEXT NOT NULL,
    outcome TEXT NOT NULL,
    number INTEGER NOT NULL,
    micros INTEGER NOT NULL,
    unpriced INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (hour, model, outcome)
) WITHOUT ROWID;

CREATE TRIGGER charge_added AFTER INSERT ON charges
BEGIN
    UPDATE charge_totals
    SET number = number + 1, micros = micros + NEW.price_micros, unpriced = unpriced + (NOT NEW.is_priced)
    WHERE outcome = NEW.outcome;
    INSERT INTO charges_by_hour (hour, model, outcome, number, micros, unpriced)
    VALUES (substr(NEW.opened_at, 1, 13), NEW.model, NEW.outcome, 1, NEW.price_micros, NOT NEW.is_priced)
    ON CONFLICT DO UPDATE
    SET number = number + 1, micros = micros + excluded.micros, unpriced = unpriced + excluded.unpriced;
END;

CREATE TRIGGER charge_removed AFTER DELETE ON charges
BEGIN
    UPDATE charge_totals
    SET number = number - 1, micros = micros - OLD.price_micros, unpriced = unpriced - (NOT OLD.is_priced)
    WHERE outcome = OLD.outcome;
    UPDATE charges_by_hour
    SET number = number - 1, micros = micros - OLD.price_micros, unpriced = unpriced - (NOT OLD.is_priced)
    WHERE hour = substr(OLD.opened_at, 1, 13) AND model = OLD.model AND outcome = OLD.outcome;
END;

CREATE TRIGGER charge_changed AFTER UPDATE OF outcome, price_micros, is_priced, model, opened_at ON charges
BEGIN
    UPDATE charge_totals
    SET number = number - 1, micros = micros - OLD.price_micros, unpriced = unpriced - (NOT OLD.is_priced)
    WHERE outcome = OLD.outcome;
    UPDATE charges_by_hour
    SET number = number - 1, micros = micros - OLD.price_micros, unpriced = unpriced - (NOT OLD.is_priced)
    WHERE hour = substr(OLD.opened_at, 1, 13) AND model = OLD.model AND outcome = OLD.outcome;
    UPDATE charge_totals
    SET number = number + 1, micros = micros + NEW.price_micros, unpriced = unpriced + (NOT NEW.is_priced)
    WHERE outcome = NEW.outcome;
    INSERT INTO charges_by_hour (hour, model, outcome, number, micros, unpriced)
    VALUES (substr(NEW.opened_at, 1, 13), NEW.model, NEW.outcome, 1, NEW.price_micros, NOT NEW.is_priced)
    ON CONFLICT DO UPDATE
    SET number = number + 1, micros = micros + excluded.micros, unpriced = unpriced + excluded.unpriced;
END;

-- The number of records for each combination of what records are filtered by.
CREATE TABLE record_counts (
    is_deleted INTEGER NOT NULL,
    status TEXT NOT NULL,
    aspect_ratio TEXT NOT NULL,
    resolution TEXT NOT NULL,
    model TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (is_deleted, status, aspect_ratio, resolution, model)
) WITHOUT ROWID;

-- The same of the visible records by UTC day of creation. The ids of all its records, past ones too, are within
-- first_id and last_id.
CREATE TABLE counts_by_day (
    day TEXT NOT NULL,
    status TEXT NOT NULL,
    aspect_ratio TEXT NOT NULL,
    resolution TEXT NOT NULL,
    model TEXT NOT NULL,
    number INTEGER NOT NULL,
    first_id INTEGER NOT NULL,
    last_id INTEGER NOT NULL,
    PRIMARY KEY (day, status, aspect_ratio, resolution, model)
) WITHOUT ROWID;

CREATE TRIGGER count_added AFTER INSERT ON generation_records
BEGIN
    INSERT INTO record_counts (is_deleted, status, aspect_ratio, resolution, model, number)
    VALUES (NEW.deleted_at IS NOT NULL, NEW.status, NEW.aspect_ratio, NEW.resolution, NEW.model, 1)
    ON CONFLICT DO UPDATE SET number = number + 1;
    INSERT INTO counts_by_day (day, status, aspect_ratio, resolution, model, number, first_id, last_id)
    SELECT substr(NEW.created_at, 1, 10), NEW.status, NEW.aspect_ratio, NEW.resolution, NEW.model,
        1, NEW.id, NEW.id
    WHERE NEW.deleted_at IS NULL AND NEW.status NOT IN ('held', 'queued', 'running')
    ON CONFLICT DO UPDATE
    SET number = number + 1, first_id = min(first_id, NEW.id), last_id = max(last_id, NEW.id);
END;

CREATE TRIGGER count_removed AFTER DELETE ON generation_records
BEGIN
    INSERT INTO record_counts (is_deleted, status, aspect_ratio, resolution, model, number)
    VALUES (OLD.deleted_at IS NOT NULL, OLD.status, OLD.aspect_ratio, OLD.resolution, OLD.model, -1)
    ON CONFLICT DO UPDATE SET number = number - 1;
    UPDATE counts_by_day
    SET number = number - 1
    WHERE OLD.deleted_at IS NULL AND OLD.status NOT IN ('held', 'queued', 'running')
        AND day = substr(OLD.created_at, 1, 10) AND status = OLD.status AND aspect_ratio = OLD.aspect_ratio
        AND resolution = OLD.resolution AND model = OLD.model;
END;

CREATE TRIGGER count_changed
AFTER UPDATE OF created_at, deleted_at, status, aspect_ratio, resolution, model ON generation_records
BEGIN
    INSERT INTO record_counts (is_deleted, status, aspect_ratio, resolution, model, number)
    VALUES (OLD.deleted_at IS NOT NULL, OLD.status, OLD.aspect_ratio, OLD.resolution, OLD.model, -1)
    ON CONFLICT DO UPDATE SET number = number - 1;
    INSERT INTO record_counts (is_deleted, status, aspect_ratio, resolution, model, number)
    VALUES (NEW.deleted_at IS NOT NULL, NEW.status, NEW.aspect_ratio, NEW.resolution, NEW.model, 1)
    ON CONFLICT DO UPDATE SET number = number + 1;
    UPDATE counts_by_day
    SET number = number - 1
    WHERE OLD.deleted_at IS NULL AND OLD.status NOT IN ('held', 'queued', 'running')
        AND day = substr(OLD.created_at, 1, 10) AND status = OLD.status AND aspect_ratio = OLD.aspect_ratio
        AND resolution = OLD.resolution AND model = OLD.model;
    INSERT INTO counts_by_day (day, status, aspect_ratio, resolution, model, number, first_id, last_id)
    SELECT substr(NEW.created_at, 1, 10), NEW.status, NEW.aspect_ratio, NEW.resolution, NEW.model,
        1, NEW.id, NEW.id
    WHERE NEW.deleted_at IS NULL AND NEW.status NOT IN ('held', 'queued', 'running')
    ON CONFLICT DO UPDATE
    SET number = number + 1, first_id = min(first_id, NEW.id), last_id = max(last_id, NEW.id);
END;

-- The grams of all visible records (see app/engine/ngrams.py): of the prompt, and of the other searched fields, with a
-- word for each value that records are filtered by. The first column takes the least space.
CREATE VIRTUAL TABLE record_search
USING fts5 (others, prompt, content = '', tokenize = 'ascii', prefix = '1 2');

-- One row: how the indexed texts are normalised, entries added since the last merge, and whether one is under way.
CREATE TABLE search_state (
    normaliser TEXT NOT NULL,
    added INTEGER NOT NULL DEFAULT 0,
    is_merging INTEGER NOT NULL DEFAULT 0
);

-- Records whose entry in record_search is out of date, with the values that it was made from.
CREATE TABLE search_backlog (
    id INTEGER PRIMARY KEY,
    old_prompt TEXT,
    old_negative_prompt TEXT,
    old_filename TEXT,
    old_batch_name TEXT,
    old_own_columns TEXT,
    old_status TEXT,
    old_aspect_ratio TEXT,
    old_resolution TEXT,
    old_model TEXT
);

CREATE TRIGGER search_added AFTER INSERT ON generation_records
WHEN NEW.deleted_at IS NULL AND NEW.status NOT IN ('held', 'queued', 'running')
BEGIN
    INSERT INTO search_backlog (id)
    VALUES (NEW.id)
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER search_shown AFTER UPDATE OF status, deleted_at ON generation_records
WHEN NOT (OLD.deleted_at IS NULL AND OLD.status NOT IN ('held', 'queued', 'running'))
    AND NEW.deleted_at IS NULL AND NEW.status NOT IN ('held', 'queued', 'running')
BEGIN
    INSERT INTO search_backlog (id)
    VALUES (NEW.id)
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER search_removed AFTER DELETE ON generation_records
WHEN OLD.deleted_at IS NULL AND OLD.status NOT IN ('held', 'queued', 'running')
BEGIN
    INSERT INTO search_backlog (
        id, old_prompt, old_negative_prompt, old_filename, old_batch_name, old_own_columns,
        old_status, old_aspect_ratio, old_resolution, old_model)
    VALUES (
        OLD.id, OLD.prompt, OLD.negative_prompt, coalesce(nullif(OLD.filename, ''), OLD.requested_filename),
        (SELECT name FROM batches WHERE batches.id = OLD.batch_id),
        coalesce(nullif(OLD.searched_columns, ''), OLD.own_columns),
        OLD.status, OLD.aspect_ratio, OLD.resolution, OLD.model)
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER search_changed
AFTER UPDATE OF
    deleted_at, prompt, negative_prompt, filename, requested_filename, batch_id, own_columns, searched_columns,
    status, aspect_ratio, resolution, model
ON generation_records
WHEN OLD.deleted_at IS NULL AND OLD.status NOT IN ('held', 'queued', 'running')
    AND (OLD.deleted_at, OLD.prompt, OLD.negative_prompt, OLD.filename, OLD.requested_filename, OLD.batch_id,
        OLD.own_columns, OLD.searched_columns, OLD.status, OLD.aspect_ratio, OLD.resolution, OLD.model)
    IS NOT (NEW.deleted_at, NEW.prompt, NEW.negative_prompt, NEW.filename, NEW.requested_filename, NEW.batch_id,
        NEW.own_columns, NEW.searched_columns, NEW.status, NEW.aspect_ratio, NEW.resolution, NEW.model)
BEGIN
    INSERT INTO search_backlog (
        id, old_prompt, old_negative_prompt, old_filename, old_batch_name, old_own_columns,
        old_status, old_aspect_ratio, old_resolution, old_model)
    VALUES (
        OLD.id, OLD.prompt, OLD.negative_prompt, coalesce(nullif(OLD.filename, ''), OLD.requested_filename),
        (SELECT name FROM batches WHERE batches.id = OLD.batch_id),
        coalesce(nullif(OLD.searched_columns, ''), OLD.own_columns),
        OLD.status, OLD.aspect_ratio, OLD.resolution, OLD.model)
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER search_batch_renamed AFTER UPDATE OF name ON batches
WHEN OLD.name <> NEW.name
BEGIN
    INSERT INTO search_backlog (
        id, old_prompt, old_negative_prompt, old_filename, old_batch_name, old_own_columns,
        old_status, old_aspect_ratio, old_resolution, old_model)
    SELECT
        id, prompt, negative_prompt, coalesce(nullif(filename, ''), requested_filename), OLD.name,
        coalesce(nullif(searched_columns, ''), own_columns),
        status, aspect_ratio, resolution, model
    FROM generation_records
    WHERE batch_id = OLD.id AND deleted_at IS NULL AND status NOT IN ('held', 'queued', 'running')
    ON CONFLICT DO NOTHING;
END;

-- Which records use a reference image: a row for its URL and one for its hash.
CREATE TABLE reference_uses (
    name TEXT NOT NULL,
    record_id INTEGER NOT NULL,
    PRIMARY KEY (name, record_id)
) WITHOUT ROWID;

CREATE INDEX uses_of_record ON reference_uses (record_id);

CREATE TRIGGER uses_added AFTER INSERT ON generation_records
WHEN NEW.sample_images <> '[]'
BEGIN
    INSERT INTO reference_uses (name, record_id)
    SELECT name.value, NEW.id
    FROM json_each(CASE WHEN json_valid(NEW.sample_images) THEN NEW.sample_images ELSE '[]' END) AS image,
        json_each(json_array(json_extract(image.value, '$.sha256'), json_extract(image.value, '$.url'))) AS name
    WHERE image.type = 'object' AND coalesce(name.value, '') <> ''
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER uses_changed AFTER UPDATE OF sample_images ON generation_records
WHEN OLD.sample_images <> NEW.sample_images
BEGIN
    DELETE FROM reference_uses WHERE record_id = NEW.id;
    INSERT INTO reference_uses (name, record_id)
    SELECT name.value, NEW.id
    FROM json_each(CASE WHEN json_valid(NEW.sample_images) THEN NEW.sample_images ELSE '[]' END) AS image,
        json_each(json_array(json_extract(image.value, '$.sha256'), json_extract(image.value, '$.url'))) AS name
    WHERE image.type = 'object' AND coalesce(name.value, '') <> ''
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER uses_removed AFTER DELETE ON generation_records
BEGIN
    DELETE FROM reference_uses WHERE record_id = OLD.id;
    DELETE FROM output_copies WHERE record_id = OLD.id;
    DELETE FROM row_pictures WHERE record_id = OLD.id;
END;

-- Pictures copied to the bucket (kept), to be copied (waiting), or without a file (gone).
CREATE TABLE output_copies (
    record_id INTEGER PRIMARY KEY,
    filename TEXT NOT NULL,
    key TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'kept', 'gone')),
    tries INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    error_message TEXT NOT NULL DEFAULT ''
);

CREATE INDEX copies_due ON output_copies (not_before, record_id DESC)
WHERE state = 'waiting';

CREATE INDEX copies_by_filename ON output_copies (filename);

CREATE INDEX copies_by_state ON output_copies (state);

-- One row: the pictures of all records up to this id are in output_copies.
CREATE TABLE output_copy_scan (up_to INTEGER NOT NULL);
