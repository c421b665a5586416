internal import Foundation
internal import GRDB
internal import NTMModel
import Synchronization

/// Keeps sessions in a SQLite database, through GRDB.
///
/// The database uses a write-ahead log (WAL), and a commit returns when it is on the disk. One
/// connection writes; others read beside it. A lock on the database's file keeps other servers from
/// using it: see `DatabaseFile`.
final class SQLiteSessionStore: SessionStore {
  let path: String
  private let database: DatabasePool
  /// nil for a store that is only read.
  private let file: DatabaseFile?
  private let lease = Lock<LockFile?>(nil)
  private let damagedReplyCount = Atomic(0)
  private let isClosed = Atomic(false)

  var outlivesProcess: Bool { true }

  /// Replies that are trimmed in one transaction.
  private static let trimmedReplies = 1000
  /// Pages of the log (4 kB each) after which they are copied into the database. More than SQLite's
  /// 1000, because pages that many steps change are then copied once.
  private static let checkpointPages = 4000
  /// Seconds to wait for another process that holds the database, such as a backup.
  private static let patience = 3.0

  /// Opens the file, or makes it, and locks it until `close`.
  ///
  /// - Parameters:
  ///   - isReadOnly: whether to look only, which needs neither lock nor lease
  /// - Throws: `.inUse` if another process has the file; `.foreign` if it is no database of sessions, or one of a newer version; `.damaged` if
  ///   its tables are not those of its version; `.failing` if it can't be opened or written.
  init(path: String, isReadOnly: Bool = false) throws(StoreError) {
    try Self.checkPath(path)
    self.path = path
    // GRDB uses libdispatch, which tries to start a thread for ever.
    do { try NativeThread.check(count: 2) } catch {
      throw StoreError(.failing, error.description, path: path)
    }
    var configuration = Configuration()
    configuration.busyMode = .timeout(Self.patience)
    configuration.readonly = isReadOnly
    configuration.maximumReaderCount = 8
    configuration.prepareDatabase { db in
      try db.execute(sql: "PRAGMA cell_size_check = ON")
      try db.execute(sql: "PRAGMA trusted_schema = OFF")
    }
    if isReadOnly { try DatabaseFile.check(path) }
    file = isReadOnly ? nil : try Self.lockedFile(path)
    database = try Self.attempting(path) {
      // Before anything is written to another program's file.
      var looking = configuration
      looking.readonly = true
      try DatabaseQueue(path: path, configuration: looking).read { try Self.check($0) }
      return try DatabasePool(path: path, configuration: configuration)
    }
  }

  deinit { close() }

  // MARK: Opening

  /// SQLite takes some names for databases in memory.
  private static func checkPath(_ path: String) throws(StoreError) {
    if path.isEmpty {
      throw StoreError(.failing, "the store has no file name; sqlite:FILE is expected")
    }
    if path == ":memory:" {
      throw StoreError(
        .failing, "sqlite::memory: is not a file; --store memory keeps sessions in memory")
    }
    if path.hasPrefix("file:") {
      throw StoreError(
        .failing, "SQLite's file: addresses are not supported; a path is expected", path: path)
    }
  }

  /// Locks the file before SQLite opens it: a connection by another name of the file would use another
  /// log.
  private static func lockedFile(_ path: String) throws(StoreError) -> DatabaseFile {
    let file = try DatabaseFile(path)
    do throws(StoreError) { try file.lock() } catch { throw inUse(error, path) }
    return file
  }

  private static func inUse(_ error: StoreError, _ path: String) -> StoreError {
    guard error.kind == .inUse else { return error }
    return StoreError(
      .inUse, "it is in use by \(error.reason); one server at a time can use it", path: path)
  }

  /// - Throws: if the database is another program's or a newer version's, or its tables are changed.
  private static func check(_ db: Database) throws {
    let id = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
    let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
    guard id == SQLiteSchema.applicationID || (id == 0 && tables == 0) else {
      throw StoreError(.foreign, "it is a database of something else than sessions")
    }
    guard try !SQLiteSchema.migrator.hasBeenSuperseded(db) else {
      throw StoreError(
        .foreign, "it was written by a newer version of this program; use that, or another file")
    }
    try SQLiteSchema.check(db)
  }

  func acquireLease() throws(StoreError) {
    do throws(StoreError) {
      try lease.withLock { lease throws(StoreError) in
        lease = try LockFile(LockFile.path(for: path))
      }
      try prepare()
    } catch {
      close()
      throw Self.inUse(error, path)
    }
  }

  private func prepare() throws(StoreError) {
    try Self.attempting(path) {
      try database.writeWithoutTransaction { db in
        try db.execute(sql: "PRAGMA application_id = \(SQLiteSchema.applicationID)")
        // GRDB's choice, NORMAL, loses the newest commits with the machine's power.
        try db.execute(sql: "PRAGMA synchronous = FULL")
        try db.execute(sql: "PRAGMA wal_autocheckpoint = \(Self.checkpointPages)")
        // Debian's choice, ON, writes zeros over what is deleted, at the cost of a second write.
        try db.execute(sql: "PRAGMA secure_delete = OFF")
      }
      let applied = try database.read { try SQLiteSchema.migrator.appliedIdentifiers($0) }
      for migration in SQLiteSchema.migrator.migrations where !applied.contains(migration) {
        try SQLiteSchema.migrator.migrate(database, upTo: migration)
        // The log of all migrations is longer than the tables, and might exceed a small limit on the
        // size of files.
        try checkpoint()
      }
      let deleted = try write { try KeyedReply.deleteDamagedNewest(in: $0) }
      damagedReplyCount.add(deleted, ordering: .relaxed)
    }
    try probe()
    file?.noteLog()
  }

  var damagedReplies: Int { damagedReplyCount.load(ordering: .relaxed) }

  var warning: String? {
    guard file?.isMountPoint == true else { return nil }
    return
      "\(path) is a mount of a single file: SQLite's log is beside it, outside of the mount, and "
      + "is lost with the container; mount the folder instead"
  }

  func checkPlace() throws(StoreError) { try file?.checkPlace() }

  func probe() throws(StoreError) {
    try checkPlace()
    try Self.attempting(path) {
      // Nobody reads it; another number than before is something to write.
      try write { db in
        try db.execute(sql: "PRAGMA user_version = \(Int32.random(in: 1...(.max)))")
      }
    }
  }

  func close() {
    let wasClosed = isClosed.exchange(true, ordering: .relaxed)
    // SQLite must not be called with a closed connection.
    guard !wasClosed else { return }
    // So that the log is short when the file is opened next, and the file complete without it.
    if file != nil { try? checkpoint() }
    try? database.close()
    lease.withLock { $0 = nil }
    file?.unlock()
  }

  // MARK: Writing

  func commit(_ changes: [StoredChange]) throws(StoreError) {
    try checkPlace()
    try Self.attempting(path) {
      try write { db in
        for change in changes { try change.write(to: db) }
      }
    }
  }

  /// Writes in one transaction. Where SQLite's log can't grow, because the disk is full or the size of
  /// files is limited, moves the log's pages to the database and tries again.
  private func write<Result>(_ body: (Database) throws -> Result) throws -> Result {
    do {
      return try database.write(body)
    } catch let error as DatabaseError where error.hasNoRoom {
      guard (try? checkpoint()) != nil else { throw error }
      return try database.write(body)
    }
  }

  /// Moves the log's pages to the database and empties the log.
  private func checkpoint() throws {
    try database.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
  }

  func correctTimes(after now: Timestamp) throws(StoreError) {
    try Self.attempting(path) {
      try write { db in
        let sessions = try Int.fetchAll(
          db, sql: "SELECT session FROM progress WHERE last_activity > ?",
          arguments: [now.milliseconds])
        for session in sessions {
          // Damaged rows stay as they are.
          guard var progress = try SessionProgress.read(from: db, session: session) else {
            continue
          }
          progress.lastActivity = now
          try progress.write(to: db, session: session)
          try SessionRecord.updateExpiry(of: session, progress.lastActivity, in: db)
        }
      }
    }
  }

  func quarantine(_ session: Int, _ reason: String) throws(StoreError) {
    try Self.attempting(path) {
      try write { try SessionRecord.quarantine(session, reason, in: $0) }
    }
  }

  func trimReplies(before expired: Int64, bodies: Range<Int64>) throws(StoreError) {
    try Self.attempting(path) {
      // Several transactions, so that commits need not wait for long.
      while try write({ try Self.deleteReplies(before: expired, $0) }) {}
      var last: (age: Int64, number: Int64)? = (bodies.lowerBound, 0)
      while let place = last, !bodies.isEmpty {
        last = try write {
          try Self.forgetBodies(before: bodies.upperBound, after: place, $0)
        }
      }
    }
  }

  /// - Returns: whether there may be more
  private static func deleteReplies(before age: Int64, _ db: Database) throws -> Bool {
    // Replies without age are older than all others.
    try db.execute(
      sql: """
        DELETE FROM replies WHERE number IN
          (SELECT number FROM replies WHERE age < ?1 OR (age IS NULL AND ?1 > 0) LIMIT ?2)
        """, arguments: [age, trimmedReplies])
    return db.changesCount == trimmedReplies
  }

  /// - Parameter place: age and number of the last reply that was looked at
  /// - Returns: the same for the next call; nil if there are no more
  private static func forgetBodies(
    before age: Int64, after place: (age: Int64, number: Int64), _ db: Database
  ) throws -> (age: Int64, number: Int64)? {
    let rows = try Row.fetchAll(
      db,
      sql: """
        SELECT number, age, status FROM replies INDEXED BY replies_by_age
        WHERE age >= ?1 AND age < ?2 AND (age > ?1 OR number > ?3)
        ORDER BY age, number LIMIT ?4
        """, arguments: [place.age, age, place.number, trimmedReplies])
    for row in rows where (row[2] as DatabaseValue) != 0.databaseValue {
      let number: Int64 = row[0]
      let whole = try Row.fetchOne(
        db, sql: "SELECT \(KeyedReply.columns) FROM replies r WHERE r.number = ?",
        arguments: [number])
      // Damaged replies are of no use.
      if let whole, let reply = KeyedReply(whole) {
        try reply.forgetBody(in: db, number: number)
      } else {
        try db.execute(sql: "DELETE FROM replies WHERE number = ?", arguments: [number])
      }
    }
    return rows.count < trimmedReplies ? nil : rows.last.map { ($0[1], $0[0]) }
  }

  // MARK: Reading

  func record(id: String) throws(StoreError) -> SessionRecord? {
    let found = DamagedID.number(id).map { ("WHERE s.number = ?", [$0] as StatementArguments) }
    let (condition, arguments) = found ?? ("WHERE s.id = ?", [id])
    // An index may lead to a row whose id is changed.
    return try records(condition, arguments).first { $0.id == id }
  }

  func records(sequence: String) throws(StoreError) -> [SessionRecord] {
    try records("WHERE s.sequence = ? ORDER BY s.number DESC", [sequence])
  }

  func page(after: Int, limit: Int) throws(StoreError) -> [SessionRecord] {
    // A damaged number may be the least of all.
    let page = try records(
      "WHERE s.number \(after == .min ? ">=" : ">") ? ORDER BY s.number LIMIT ?", [after, limit])
    // Callers ask for the next page after the last number, which must get them on.
    for (before, next) in zip([after] + page.map(\.number), page.map(\.number))
    where before >= next && before != .min {
      throw StoreError(.damaged, "the database is damaged: sessions are out of order", path: path)
    }
    return page
  }

  /// `expires_at` and the condition in SQL only select candidates, from values that may be damaged.
  /// The verified values decide.
  func expired(
    at now: Timestamp, since start: Timestamp, limit: Int
  ) throws(StoreError) -> [SessionRecord] {
    try records(
      """
      WHERE s.expires_at < ? AND max(p.last_activity, ?) + s.keep_alive * 1000 < ?
      """, [now.milliseconds, start.milliseconds, now.milliseconds], limit: limit
    ) { record in
      record.damage == nil && record.expiresAt(since: start).map { $0 < now } == true
    }
  }

  /// - Parameter limit: the largest number of records that `isWanted` accepts
  private func records(
    _ condition: String, _ arguments: StatementArguments, limit: Int = .max,
    where isWanted: (SessionRecord) -> Bool = { _ in true }
  ) throws(StoreError) -> [SessionRecord] {
    try Self.attempting(path) {
      try database.read { db in
        let statement = try db.cachedStatement(
          sql: "SELECT \(SessionRecord.columns) FROM \(SessionRecord.tables) \(condition)")
        let rows = try Row.fetchCursor(statement, arguments: arguments)
        var records: [SessionRecord] = []
        while records.count < limit, let row = try rows.next() {
          let record = try SessionRecord(row, in: db)
          if isWanted(record) { records.append(record) }
        }
        return records
      }
    }
  }

  func content(of session: Int) throws(StoreError) -> StoredContent? {
    try Self.attempting(path) {
      try database.read { db in
        guard let base = try StoredBase.read(from: db, session: session) else { return nil }
        let content = StoredContent(
          base: base, steps: try StoredSteps.read(from: db, session: session))
        var step = content.base.step
        for steps in content.steps {
          guard steps.first == step + 1 else {
            throw StoreError(.damaged, "its steps from \(step + 1) on are missing")
          }
          step = steps.last
        }
        guard try SessionProgress.read(from: db, session: session)?.step == step else {
          throw StoreError(.damaged, "its steps from \(step + 1) on are missing")
        }
        return content
      }
    }
  }

  func summary() throws(StoreError) -> StoreSummary {
    try Self.attempting(path) {
      try database.read { db in
        var summary = StoreSummary()
        summary.lastNumber = try Self.lastNumber(db)
        let models = try Row.fetchCursor(
          db, sql: "SELECT model, digest, count(*) AS count FROM sessions GROUP BY model, digest")
        while let row = try models.next() {
          summary.models[SessionRecord.model(row), default: 0] += Int.fromDatabaseValue(row[2]) ?? 0
        }
        let names = try DatabaseValue.fetchCursor(
          db, sql: "SELECT sequence FROM sessions WHERE sequence IS NOT NULL")
        while let name = try names.next() {
          if let name = String.fromDatabaseValue(name) {
            summary.sequences.insert(SequenceNames.hash(name))
          }
        }
        return summary
      }
    }
  }

  /// The largest number in any table, so that a new session never meets rows of another one, whatever
  /// `sqlite_sequence` says. Numbers that no session can have are damage and don't count.
  private static func lastNumber(_ db: Database) throws -> Int {
    try Int.fetchOne(
      db,
      sql: """
        SELECT CAST(max(ifnull(n, 0)) AS INTEGER) FROM (
          SELECT max(number) AS n FROM sessions WHERE number <= :most
          UNION ALL SELECT max(session) FROM progress WHERE session <= :most
          UNION ALL SELECT max(session) FROM bases WHERE session <= :most
          UNION ALL SELECT max(session) FROM steps WHERE session <= :most
          UNION ALL SELECT max(seq) FROM sqlite_sequence
            WHERE name = 'sessions' AND typeof(seq) = 'integer' AND seq BETWEEN 0 AND :most)
        """, arguments: ["most": StoredRow.largestNumber]) ?? 0
  }

  func replies(atMost bytes: Int) throws(StoreError) -> [KeyedReply] {
    try Self.attempting(path) {
      try database.read { db in
        var left = bytes
        var replies: [KeyedReply] = []
        let rows = try Row.fetchCursor(
          db, sql: "SELECT \(KeyedReply.columns) FROM replies r ORDER BY r.number DESC")
        while let row = try rows.next() {
          guard let reply = KeyedReply(row) else {
            damagedReplyCount.add(1, ordering: .relaxed)
            continue
          }
          replies.append(reply.within(&left))
        }
        return replies.reversed()
      }
    }
  }

  // MARK: Housekeeping

  /// Gives back what the file has no use for.
  ///
  /// - Returns: the database's bytes before and after
  func vacuum() throws(StoreError) -> (before: Int, after: Int) {
    try Self.attempting(path) {
      let before = try database.read { try Self.bytes($0) }
      try database.vacuum()
      try checkpoint()
      return (before, try database.read { try Self.bytes($0) })
    }
  }

  private static func bytes(_ db: Database) throws -> Int {
    let count = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
    return try count * (Int.fetchOne(db, sql: "PRAGMA page_size") ?? 0)
  }

  // MARK: Errors

  private static func attempting<Result>(
    _ path: String, _ body: () throws -> Result
  ) throws(StoreError) -> Result {
    do {
      return try body()
    } catch let error as StoreError {
      throw StoreError(error.kind, error.reason, path: path)
    } catch let error as DatabaseError {
      throw StoreError(error, path)
    } catch {
      throw StoreError(.failing, "\(error)", path: path)
    }
  }
}

extension DatabaseError {
  /// Whether a write failed that may succeed in a shorter file. SQLite reports a limit on the size of
  /// files as an error of input and output.
  fileprivate var hasNoRoom: Bool {
    resultCode == .SQLITE_FULL || extendedResultCode == .SQLITE_IOERR_WRITE
  }
}

extension StoreError {
  fileprivate init(_ error: DatabaseError, _ path: String) {
    let message = error.message ?? "SQLite's error \(error.extendedResultCode.rawValue)"
    let (kind, reason): (Kind, String) =
      switch error.resultCode {
      case .SQLITE_CORRUPT: (.damaged, "the database is damaged: \(message)")
      case .SQLITE_NOTADB: (.foreign, "this is no database of sessions: \(message)")
      case .SQLITE_FULL: (.failing, "there is no room on the disk")
      case .SQLITE_IOERR where error.extendedResultCode == .SQLITE_IOERR_WRITE:
        (.failing, "the database can't be written: \(message)\(fileSizeLimitNote)")
      case .SQLITE_BUSY, .SQLITE_LOCKED: (.failing, "another process holds the database")
      case .SQLITE_READONLY: (.failing, "the database can be read, but not written")
      case .SQLITE_CONSTRAINT, .SQLITE_TOOBIG, .SQLITE_MISMATCH, .SQLITE_RANGE:
        (.rejected, "the database rejects it: \(message)")
      case .SQLITE_CANTOPEN: (.failing, "the database can't be opened: \(message)")
      default: (.failing, "the database can't be read or written: \(message)")
      }
    self.init(kind, reason, path: path)
  }
}

extension StoredChange {
  fileprivate func write(to db: Database) throws {
    for reply in replies { try reply.write(to: db) }
    if let sequence = created?.sequence {
      let older = try db.cachedStatement(
        sql: "SELECT number FROM sessions WHERE sequence = ? AND number < ?")
      for session in try Int.fetchAll(older, arguments: [sequence, session]) {
        try Self.delete(session, from: db)
      }
    }
    guard !isEnded else {
      // If this session was never written, the number may be that of another one.
      if created == nil { try Self.delete(session, from: db) }
      return
    }
    try created?.write(to: db)
    if let base {
      try base.write(to: db, session: session)
      if created == nil {
        try db.cachedStatement(sql: "DELETE FROM steps WHERE session = ?")
          .execute(arguments: [session])
      }
    }
    try steps?.write(to: db, session: session)
    try writeProgress(to: db)
  }

  private static func delete(_ session: Int, from db: Database) throws {
    for table in ["steps", "bases", "progress"] {
      try db.cachedStatement(sql: "DELETE FROM \(table) WHERE session = ?")
        .execute(arguments: [session])
    }
    try db.cachedStatement(sql: "DELETE FROM sessions WHERE number = ?")
      .execute(arguments: [session])
  }

  private func writeProgress(to db: Database) throws {
    var progress: SessionProgress
    if let step = steps?.last ?? base?.step {
      progress = SessionProgress(step: step, lastActivity: lastActivity)
    } else {
      // There is none where only replies are written, and a damaged one stays damaged.
      guard let stored = try SessionProgress.read(from: db, session: session) else { return }
      progress = stored
      progress.lastActivity = max(progress.lastActivity, lastActivity)
    }
    try progress.write(to: db, session: session)
    // Steps leave the session's row alone, whose time is too early then: `expired` checks again.
    guard created == nil, steps == nil || base != nil else { return }
    try SessionRecord.updateExpiry(of: session, progress.lastActivity, in: db)
  }
}
