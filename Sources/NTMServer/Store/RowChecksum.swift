import NTMModel

/// Tells a row that is what was written from one that a failing disk has changed: SQLite reads back
/// what the disk gives it.
struct RowChecksum {
  private var parts: [[UInt8]] = []

  init(_ table: String) { add(table) }

  mutating func add(_ text: String?) { add(text.map { Array($0.utf8) }) }

  mutating func add(_ number: (some BinaryInteger)?) {
    add(number.map { value in withUnsafeBytes(of: Int64(value).littleEndian) { Array($0) } })
  }

  mutating func add(_ number: Double?) { add((number?.bitPattern).map { Int64(bitPattern: $0) }) }

  /// Nothing is another thing than an empty one.
  mutating func add(_ bytes: [UInt8]?) {
    parts.append(bytes.map { [1] + $0 } ?? [0])
  }

  /// The first 8 bytes of a SHA-256.
  var bytes: [UInt8] { Array(Fingerprint(parts).bytes.prefix(8)) }
}
