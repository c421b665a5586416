internal import Crypto

/// A SHA-256 of a request, to tell a repeat from another one.
struct Fingerprint: Hashable, Sendable {
  let bytes: [UInt8]

  /// One that was written down.
  init(bytes: [UInt8]) { self.bytes = bytes }

  /// - Parameter parts: told apart by their lengths
  init(_ parts: [[UInt8]]) {
    var hash = SHA256()
    for part in parts {
      withUnsafeBytes(of: UInt64(part.count).littleEndian) { hash.update(bufferPointer: $0) }
      hash.update(data: part)
    }
    bytes = Array(hash.finalize())
  }
}
