internal import Foundation
internal import GRDB

/// The columns of a table and how its rows are checked.
///
/// Version 1 of a checksum is 8 bytes over `columns`. Version 2 is the byte 2 and 8 bytes over
/// `columns` and `laterColumns`. Rows of version 1 stay valid until they are written again.
struct RowLayout: Sendable {
  struct Column: Sendable {
    enum StorageType: Sendable { case integer, real, text, blob }

    let name: String
    let type: StorageType
    var isOptional = false
    /// A number that the checksum counts as NULL.
    var absent: Int64?
  }

  let table: String
  /// All columns except `checksum`, in the order of the checksum.
  let columns: [Column]
  private let checksumName: String
  private let version1Count: Int
  private let hasVersion2: Bool
  private let insertion: String

  init(
    _ table: String, checksum: String, _ columns: [Column], later: [Column] = [],
    replaces: Bool = true
  ) {
    self.table = table
    self.columns = columns + later
    checksumName = checksum
    version1Count = columns.count
    hasVersion2 = !later.isEmpty
    let names = self.columns.map(\.name) + ["checksum"]
    insertion = """
      INSERT \(replaces ? "OR REPLACE " : "")INTO \(table) (\(names.joined(separator: ", ")))
      VALUES (\(names.map { _ in "?" }.joined(separator: ", ")))
      """
  }

  /// The number of values that `StoredRow` reads.
  var width: Int { columns.count + 1 }

  /// The values that `StoredRow` reads, for a SELECT.
  func selection(_ alias: String) -> String {
    (columns.map(\.name) + ["checksum"]).map { "\(alias).\($0)" }.joined(separator: ", ")
  }

  // MARK: Checking

  /// Whether these values, the last of which is the checksum, are those that were written.
  fileprivate func isIntact(_ values: [DatabaseValue]) -> Bool {
    guard case .blob(let stored) = values[columns.count].storage else { return false }
    let isVersion2 = hasVersion2 && stored.count == 9
    let count = isVersion2 ? columns.count : version1Count
    for index in 0..<count where !columns[index].accepts(values[index]) { return false }
    return stored == (isVersion2 ? Data([2]) : Data()) + sum(values[..<count])
  }

  func checksum(_ values: [DatabaseValue]) -> Data {
    hasVersion2 ? Data([2]) + sum(values[...]) : sum(values[...])
  }

  private func sum(_ values: ArraySlice<DatabaseValue>) -> Data {
    var sum = RowChecksum(checksumName)
    for (column, value) in zip(columns, values) {
      let isAbsent = column.absent != nil && column.absent == Int64.fromDatabaseValue(value)
      sum.add(isAbsent ? .null : value)
    }
    return sum.bytes
  }

  // MARK: Writing

  /// Writes a row of these values, in the order of `columns`, with their checksum.
  func insert(_ values: [DatabaseValue], to db: Database) throws {
    precondition(values.count == columns.count, "a row of \(table) has \(columns.count) values")
    try db.cachedStatement(sql: insertion)
      .execute(arguments: StatementArguments(values + [checksum(values).databaseValue]))
  }
}

extension RowLayout.Column {
  static func integer(
    _ name: String, isOptional: Bool = false, absent: Int64? = nil
  ) -> Self { Self(name: name, type: .integer, isOptional: isOptional, absent: absent) }
  static func real(_ name: String, isOptional: Bool = false) -> Self {
    Self(name: name, type: .real, isOptional: isOptional)
  }
  static func text(_ name: String, isOptional: Bool = false) -> Self {
    Self(name: name, type: .text, isOptional: isOptional)
  }
  static func blob(_ name: String, isOptional: Bool = false) -> Self {
    Self(name: name, type: .blob, isOptional: isOptional)
  }

  fileprivate func accepts(_ value: DatabaseValue) -> Bool {
    switch (value.storage, type) {
    case (.null, _): isOptional
    case (.int64, .integer), (.double, .real), (.string, .text), (.blob, .blob): true
    default: false
    }
  }
}

/// A row whose checksum and types have been verified.
struct StoredRow {
  private let layout: RowLayout
  private let values: [DatabaseValue]

  /// - Parameters:
  ///   - row: has the values of `RowLayout.selection`
  ///   - first: the index of the first of them
  /// - Returns: nil if the row is damaged
  init?(_ row: Row, from first: Int = 0, _ layout: RowLayout) {
    let values = (first..<first + layout.width).map { row[$0] as DatabaseValue }
    guard layout.isIntact(values) else { return nil }
    self.layout = layout
    self.values = values
  }

  /// - Throws: `StoreError` `.damaged` if there is no value.
  func value<Value: DatabaseValueConvertible>(_ column: String) throws -> Value {
    guard let value: Value = try optional(column) else {
      throw StoreError(.damaged, "\(column) is missing in \(layout.table)")
    }
    return value
  }

  /// - Throws: `StoreError` `.damaged` if the value has another type.
  func optional<Value: DatabaseValueConvertible>(_ column: String) throws -> Value? {
    guard let index = layout.columns.firstIndex(where: { $0.name == column }) else {
      preconditionFailure("\(layout.table) has no column \(column)")
    }
    let stored = values[index]
    guard !stored.isNull else { return nil }
    guard let value = Value.fromDatabaseValue(stored) else {
      throw StoreError(.damaged, "\(column) in \(layout.table) has another type")
    }
    return value
  }

  func bytes(_ column: String) throws -> [UInt8]? {
    let data: Data? = try optional(column)
    return data.map { Array($0) }
  }

  /// The largest number of a step or a session that is accepted. Sums of such numbers don't overflow.
  static let largestNumber = 1 << 53

  /// - Throws: `StoreError` `.damaged` if the value is not from `least` to `largestNumber`.
  func number(_ column: String, from least: Int = 0) throws -> Int {
    guard let number = try optionalNumber(column, from: least) else {
      throw StoreError(.damaged, "\(column) is missing in \(layout.table)")
    }
    return number
  }

  func optionalNumber(_ column: String, from least: Int = 0) throws -> Int? {
    guard let number: Int = try optional(column) else { return nil }
    guard (least...Self.largestNumber).contains(number) else {
      throw StoreError(.damaged, "\(column) in \(layout.table) is \(number)")
    }
    return number
  }
}
