CREATE TABLE IF NOT EXISTS notes (
    id INTEGER PRIMARY KEY,
    title TEXT NOT NULL UNIQUE,
    pinned BOOLEAN NOT NULL,
    created TEXT NOT NULL -- an Instant: ISO-8601 in UTC, whose order as text is that of time
);
