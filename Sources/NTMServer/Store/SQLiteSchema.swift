internal import GRDB

/// How sessions are written down in SQLite.
enum SQLiteSchema {
  /// What the file says it is ("NTMs"), so that no other program's database is taken for one.
  static let applicationID: Int32 = 0x4E54_4D73

  /// A later version of the schema is a migration added at the end, never a change of one that has
  /// been released.
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1") { db in
      try db.execute(sql: version1)
    }
    migrator.registerMigration("2: age of replies") { db in
      try db.execute(sql: repliesWithAge)
    }
    // Checksums of sessions and replies cover all columns: see `RowLayout`. The tables are the same;
    // this keeps programs that do not know these checksums from opening the file.
    migrator.registerMigration("3: checksums of all columns") { _ in }
    return migrator
  }

  /// `applied` has what the request changed (`AppliedSteps`), `age` when it arrived
  /// (`IdempotencyStore.age`). Status 0 stands for a reply that is not kept any more. In rows without
  /// age, `key` is as the client sent it; otherwise it is a hash of key and scope.
  private static let repliesWithAge = """
    ALTER TABLE replies ADD COLUMN applied TEXT;
    ALTER TABLE replies ADD COLUMN age INTEGER;
    CREATE INDEX replies_by_age ON replies (age);
    """

  /// `checksum` covers the other columns of its row: see `RowLayout`. Times are milliseconds since
  /// 1970.
  private static let version1 = """
    CREATE TABLE sessions (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      model TEXT NOT NULL,
      digest TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      keep_alive REAL,
      sequence TEXT,
      -- Not before this time; null for never.
      expires_at INTEGER,
      damage TEXT,
      checksum BLOB NOT NULL
    );
    CREATE INDEX sessions_by_expiry ON sessions (expires_at) WHERE expires_at IS NOT NULL;
    CREATE INDEX sessions_by_sequence ON sessions (sequence) WHERE sequence IS NOT NULL;

    -- The step that a session is at, and when it was last used: so that steps that a failing disk has
    -- lost are missed, and written with each step, in few pages for many sessions.
    CREATE TABLE progress (
      session INTEGER PRIMARY KEY,
      step INTEGER NOT NULL,
      last_activity INTEGER NOT NULL,
      checksum BLOB NOT NULL
    );

    -- The state at a step, as a state file; null for the model's start state. With it the reply that
    -- the session kept, whose body may have been too long to be kept.
    CREATE TABLE bases (
      session INTEGER PRIMARY KEY,
      step INTEGER NOT NULL,
      arithmetic TEXT NOT NULL,
      recomputed_from INTEGER,
      reply_step INTEGER,
      reply_fingerprint BLOB,
      reply_body BLOB,
      state BLOB,
      checksum BLOB NOT NULL
    );

    -- Steps after the base: so many inputs, one after another as float32 with the low byte first. The
    -- request that the last of them came with is there where it may be repeated.
    CREATE TABLE steps (
      session INTEGER NOT NULL,
      first INTEGER NOT NULL,
      count INTEGER NOT NULL,
      request_step INTEGER,
      request_is_list INTEGER,
      request_fields INTEGER,
      request_form TEXT,
      inputs BLOB NOT NULL,
      checksum BLOB NOT NULL,
      PRIMARY KEY (session, first)
    ) WITHOUT ROWID;

    -- Replies to requests with a key; part -1 is the reply to the whole request.
    CREATE TABLE replies (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      key TEXT NOT NULL,
      part INTEGER NOT NULL,
      fingerprint BLOB NOT NULL,
      status INTEGER NOT NULL,
      headers TEXT NOT NULL,
      body BLOB NOT NULL,
      checksum BLOB NOT NULL,
      UNIQUE (key, part)
    );
    """
}
