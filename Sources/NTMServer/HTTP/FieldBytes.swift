/// Which bytes the parts of a request's head may have.
enum FieldBytes {
  /// Bytes that ASCII has, as one bit for each.
  struct Set: Sendable {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    init(_ contains: (UInt8) -> Bool) {
      for byte in UInt8(0)..<128 where contains(byte) {
        if byte < 64 { low |= 1 << byte } else { high |= 1 << (byte - 64) }
      }
    }

    func contains(_ byte: UInt8) -> Bool {
      byte < 128 && (byte < 64 ? low : high) >> (byte & 63) & 1 != 0
    }

    func containsAll(of bytes: UnsafeRawBufferPointer) -> Bool {
      for byte in bytes where !contains(byte) { return false }
      return true
    }
  }

  /// A method or the name of a field (RFC 9110, section 5.6.2).
  static let token = Set { $0.isLetterOrDigit || "!#$%&'*+-.^_`|~".utf8.contains($0) }
  /// A host and port (RFC 3986, section 3.2); bytes that end them are not among these.
  static let host = Set { $0.isLetterOrDigit || "-._~%!$&'()*+,;=:[]".utf8.contains($0) }

  /// Whether a field's value has no control character but tabs (RFC 9110, section 5.5).
  static func areValue(_ bytes: UnsafeRawBufferPointer) -> Bool {
    for byte in bytes where byte < 0x20 && byte != 0x09 || byte == 0x7F { return false }
    return true
  }

  /// Whether a request target has neither spaces nor control characters.
  static func areTarget(_ bytes: UnsafeRawBufferPointer) -> Bool {
    for byte in bytes where byte <= 0x20 || byte == 0x7F { return false }
    return true
  }
}
