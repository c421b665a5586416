internal import GRDB

extension SQLiteSchema {
  /// Checks that the tables are those that the database's version has.
  ///
  /// The expected tables come from the migrations themselves, run in an empty database. Tables,
  /// indexes and triggers that the migrations don't make are ignored.
  ///
  /// - Throws: `StoreError` `.damaged` that names the first difference.
  static func check(_ db: Database) throws {
    let applied = try migrator.appliedMigrations(db)
    guard let last = applied.last else {
      guard try objects(in: db).isEmpty else {
        throw StoreError(.damaged, "its schema has no version: grdb_migrations is missing or empty")
      }
      return
    }
    let example = try DatabaseQueue()
    try migrator.migrate(example, upTo: last)
    let expected = try example.read { try objects(in: $0) }
    let found = try objects(in: db)
    // Tables before indexes.
    for (name, description) in expected.sorted(by: { $0.key > $1.key }) {
      guard let other = found[name] else {
        throw StoreError(.damaged, "its schema is changed: \(name) is missing")
      }
      if let difference = difference(description, other) {
        throw StoreError(.damaged, "its schema is changed: \(name) \(difference)")
      }
    }
  }

  /// The columns of each table and index, by the name of the object.
  private static func objects(in db: Database) throws -> [String: [String]] {
    var objects: [String: [String]] = [:]
    let tables = try strings(
      db,
      """
      SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ESCAPE '\\'
      AND name != 'grdb_migrations'
      """)
    for table in tables {
      objects["table \(table)"] = try strings(
        db,
        """
        SELECT 'column ' || quote(name) || ' ' || type || iif("notnull", ' NOT NULL', '')
          || iif(pk, ' PRIMARY KEY ' || pk, '') FROM pragma_table_xinfo(?) ORDER BY cid
        """, table)
      let indexes = try strings(db, "SELECT name FROM pragma_index_list(?)", table)
      for index in indexes {
        objects["index \(index)"] = try strings(
          db, "SELECT 'column ' || ifnull(quote(name), 'expression') FROM pragma_index_info(?)",
          index)
      }
    }
    return objects
  }

  private static func strings(
    _ db: Database, _ sql: String, _ argument: String? = nil
  ) throws -> [String] {
    let values = try DatabaseValue.fetchAll(
      db, sql: sql, arguments: argument.map { [$0] } ?? [])
    return values.map { String.fromDatabaseValue($0) ?? $0.description }
  }

  private static func difference(_ expected: [String], _ found: [String]) -> String? {
    for (index, column) in expected.enumerated() {
      guard index < found.count else { return "has no \(column)" }
      if column != found[index] { return "has \(found[index]) in place of \(column)" }
    }
    return found.count > expected.count ? "has an unknown \(found[expected.count])" : nil
  }
}
