internal import Foundation
internal import GRDB

extension SessionRecord {
  static let layout = RowLayout(
    "sessions", checksum: "session",
    [
      .integer("number"), .text("id"), .text("model"), .text("digest"), .integer("created_at"),
      .real("keep_alive", isOptional: true), .text("sequence", isOptional: true),
    ],
    later: [.integer("expires_at", isOptional: true), .text("damage", isOptional: true)],
    replaces: false)

  /// The values that `init` reads.
  static let columns = """
    \(layout.selection("s")), \(SessionProgress.layout.selection("p")), s.number, s.id, s.model,
    b.session, b.recomputed_from
    """
  static let tables = """
    sessions s LEFT JOIN bases b ON b.session = s.number
    LEFT JOIN progress p ON p.session = s.number
    """

  /// The model of a session, for counting: from a row that begins with `model` and `digest`. Damaged
  /// values count as empty.
  static func model(_ row: Row) -> ModelUses.Key {
    ModelUses.Key(
      name: String.fromDatabaseValue(row[0]) ?? "", digest: String.fromDatabaseValue(row[1]) ?? "")
  }

  /// A row that is damaged gives a record with `damage`.
  init(_ row: Row, in db: Database) throws {
    let others = Self.layout.width + SessionProgress.layout.width
    let number = Int.fromDatabaseValue(row[others]) ?? 0
    guard let session = StoredRow(row, Self.layout),
      let progress = SessionProgress(row, from: Self.layout.width, session: number),
      let whole = try? Self(session, progress)
    else {
      self.init(
        damaged: number, id: String.fromDatabaseValue(row[others + 1]),
        modelName: String.fromDatabaseValue(row[others + 2]))
      return
    }
    self = whole
    guard damage == nil else { return }
    guard !(row[others + 3] as DatabaseValue).isNull else {
      damage = "its stored state is missing"
      return
    }
    // Rare, so that lists seldom read whole states to check this.
    guard !(row[others + 4] as DatabaseValue).isNull else { return }
    do {
      recomputedFrom = try StoredBase.read(from: db, session: number)?.recomputedFrom
    } catch let error as StoreError {
      damage = error.reason
    }
  }

  private init(_ session: StoredRow, _ progress: SessionProgress) throws {
    self.init(
      number: try session.number("number", from: 1), id: try session.value("id"),
      modelName: try session.value("model"), modelDigest: try session.value("digest"),
      createdAt: Timestamp(milliseconds: try session.value("created_at")),
      keepAlive: try session.optional("keep_alive"),
      sequence: try session.optional("sequence"), step: progress.step,
      lastActivity: progress.lastActivity, damage: try session.optional("damage"))
    if let keepAlive, !(keepAlive > 0 && keepAlive.isFinite) {
      throw StoreError(.damaged, "keep_alive is \(keepAlive)")
    }
  }

  /// A session whose row is damaged. Its other values are not used.
  private init(damaged number: Int, id: String?, modelName: String?) {
    let unknown = Timestamp(milliseconds: 0)
    self.init(
      number: number, id: id.flatMap { SessionID.isOne($0) ? $0 : nil } ?? DamagedID.text(number),
      modelName: modelName ?? "", modelDigest: "", createdAt: unknown, keepAlive: nil,
      lastActivity: unknown, damage: "what is stored of it is damaged")
  }

  func write(to db: Database) throws {
    try write(expiresAt: keepAlive.map { lastActivity.advanced(by: $0) }, to: db)
  }

  private func write(expiresAt: Timestamp?, to db: Database) throws {
    try Self.layout.insert(
      [
        number.databaseValue, id.databaseValue, modelName.databaseValue, modelDigest.databaseValue,
        createdAt.milliseconds.databaseValue, keepAlive?.databaseValue ?? .null,
        sequence?.databaseValue ?? .null, expiresAt?.milliseconds.databaseValue ?? .null,
        damage?.databaseValue ?? .null,
      ], to: db)
  }

  // MARK: Updating

  /// Changes the row of a session. A damaged row keeps its values, so that it stays damaged.
  private static func update(
    _ session: Int, in db: Database, _ change: (StoredRow) throws -> [DatabaseValue]
  ) throws {
    let select = try db.cachedStatement(
      sql: "SELECT \(layout.selection("s")) FROM sessions s WHERE s.number = ?")
    guard let row = try Row.fetchOne(select, arguments: [session]),
      let stored = StoredRow(row, layout)
    else { return }
    let values = Array(row.databaseValues.prefix(layout.columns.count - 2)) + (try change(stored))
    try db.cachedStatement(
      sql: "UPDATE sessions SET expires_at = ?, damage = ?, checksum = ? WHERE number = ?"
    ).execute(arguments: [
      values[values.count - 2], values[values.count - 1], layout.checksum(values), session,
    ])
  }

  static func updateExpiry(of session: Int, _ lastActivity: Timestamp, in db: Database) throws {
    try update(session, in: db) { row in
      let keepAlive: Double? = try row.optional("keep_alive")
      let damage: String? = try row.optional("damage")
      let expiry = keepAlive.map { lastActivity.advanced(by: $0).milliseconds }
      return [expiry?.databaseValue ?? .null, damage?.databaseValue ?? .null]
    }
  }

  static func quarantine(_ session: Int, _ reason: String, in db: Database) throws {
    try update(session, in: db) { _ in [.null, reason.databaseValue] }
  }
}

/// The id by which a session is listed and deleted whose own id is damaged. `SessionID.make` never
/// gives such an id.
enum DamagedID {
  private static let prefix = "damaged-"
  private static let digits = 14

  static func text(_ number: Int) -> String {
    let text = String(UInt64(bitPattern: Int64(number)), radix: 36)
    return prefix + String(repeating: "0", count: digits - text.count) + text
  }

  static func number(_ id: String) -> Int? {
    guard id.hasPrefix(prefix), id.utf8.count == prefix.utf8.count + digits,
      let number = UInt64(id.dropFirst(prefix.count), radix: 36)
    else { return nil }
    return Int(Int64(bitPattern: number))
  }
}

/// How far a session is.
struct SessionProgress {
  static let layout = RowLayout(
    "progress", checksum: "progress",
    [.integer("session"), .integer("step"), .integer("last_activity")])

  var step: Int
  var lastActivity: Timestamp

  init(step: Int, lastActivity: Timestamp) {
    self.step = step
    self.lastActivity = lastActivity
  }

  /// - Returns: nil if the row is missing, damaged or another session's
  init?(_ row: Row, from first: Int = 0, session: Int) {
    guard let stored = StoredRow(row, from: first, Self.layout),
      (try? stored.value("session")) == session, let step = try? stored.number("step"),
      let lastActivity: Int64 = try? stored.value("last_activity")
    else { return nil }
    self.init(step: step, lastActivity: Timestamp(milliseconds: lastActivity))
  }

  /// - Returns: nil if the row is missing or damaged
  static func read(from db: Database, session: Int) throws -> SessionProgress? {
    let statement = try db.cachedStatement(
      sql: "SELECT \(layout.selection("p")) FROM progress p WHERE p.session = ?")
    return try Row.fetchOne(statement, arguments: [session]).flatMap {
      SessionProgress($0, session: session)
    }
  }

  func write(to db: Database, session: Int) throws {
    try Self.layout.insert(
      [
        session.databaseValue, step.databaseValue, lastActivity.milliseconds.databaseValue,
      ], to: db)
  }
}
