internal import Crypto

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// The SHA-256 of a whole safetensors file, in the `checksum` field of its metadata. The file is
/// hashed with zeros in the place of the checksum.
enum FileChecksum {
  static let field = "checksum"
  static let placeholder = String(repeating: "0", count: 64)

  /// What stands before the checksum in a header. In a text of the metadata, the quotation marks
  /// would be escaped.
  private static let beginning = Data("\"\(field)\":\"".utf8)

  /// Puts the checksum in the place of the placeholder.
  static func insert(into file: inout [UInt8]) {
    // The writer has put the placeholder there.
    let place = place(in: Data(file))!
    file.replaceSubrange(place, with: Array(SHA256.hash(data: file).hexadecimal.utf8))
  }

  /// The checksum's bytes in a file that begins with these.
  static func place(in bytes: Data) -> Range<Int>? {
    guard let found = bytes.firstRange(of: beginning) else { return nil }
    let start = found.upperBound
    guard bytes.endIndex - start >= placeholder.utf8.count else { return nil }
    return start..<start + placeholder.utf8.count
  }
}

extension SafeTensorsFile {
  /// Reads the whole file and compares it with its checksum.
  ///
  /// - Throws: `SafeTensorsError` if a byte has changed since the file was written, or the file has
  ///   no checksum.
  package func verifyChecksum() throws(SafeTensorsError) {
    let damage = SafeTensorsError("is damaged: its content does not match its checksum")
    let head = try bytes(0..<headerEnd)
    guard let place = FileChecksum.place(in: head) else { throw damage }
    var hash = SHA256()
    hash.update(data: head[..<place.lowerBound])
    hash.update(data: Data(FileChecksum.placeholder.utf8))
    hash.update(data: head[place.upperBound...])
    let step = 1 << 20
    for start in stride(from: headerEnd, to: byteCount, by: step) {
      hash.update(data: try bytes(start..<min(start + step, byteCount)))
    }
    guard hash.finalize().hexadecimal.utf8.elementsEqual(head[place]) else { throw damage }
  }
}
