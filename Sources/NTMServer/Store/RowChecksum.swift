internal import Crypto
internal import Foundation
internal import GRDB

/// A checksum over a row's values, which detects values that a failing disk has changed: SQLite
/// returns what it reads without checking it.
struct RowChecksum {
  private var hash = SHA256()

  /// - Parameter table: a name that keeps rows of one table from matching those of another
  init(_ table: String) {
    var table = table
    table.withUTF8 { add(UnsafeRawBufferPointer($0)) }
  }

  /// Adds a value. NULL differs from an empty text or blob.
  mutating func add(_ value: DatabaseValue) {
    switch value.storage {
    case .null: add(nil)
    case .int64(let number): add(number)
    case .double(let number): add(Int64(bitPattern: number.bitPattern))
    case .string(var text): text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
    case .blob(let data): data.withUnsafeBytes { add($0) }
    }
  }

  private mutating func add(_ number: Int64) {
    withUnsafeBytes(of: number.littleEndian) { add($0) }
  }

  /// Hashes the length of the part, a byte that tells NULL from a value, and the value.
  private mutating func add(_ bytes: UnsafeRawBufferPointer?) {
    let count = UInt64(1 + (bytes?.count ?? 0))
    withUnsafeBytes(of: count.littleEndian) { hash.update(bufferPointer: $0) }
    withUnsafeBytes(of: UInt8(bytes == nil ? 0 : 1)) { hash.update(bufferPointer: $0) }
    if let bytes { hash.update(bufferPointer: bytes) }
  }

  /// The first 8 bytes of a SHA-256.
  var bytes: Data { Data(hash.finalize().prefix(8)) }
}
