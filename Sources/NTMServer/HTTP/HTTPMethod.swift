/// A request's method, as far as somebody knows it.
enum HTTPMethod: Int, CaseIterable, Sendable {
  case get, head, post, put, delete, options, patch, trace, connect, other

  private static let names = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "other",
  ]

  var name: String { Self.names[rawValue] }

  /// - Parameter text: as sent; methods are case-sensitive (RFC 9110, section 9.1)
  init(_ text: String) {
    self = Self.names.firstIndex(of: text).flatMap(Self.init(rawValue:)) ?? .other
  }

  /// - Parameter text: zero-terminated
  init(_ text: UnsafePointer<CChar>) {
    // Nearly every request has one of these, and to make a text of it costs as much as a look for its
    // session.
    switch (UInt8(bitPattern: text[0]), UInt8(bitPattern: text[1])) {
    case (UInt8(ascii: "P"), UInt8(ascii: "O")) where equals(text, "POST"): self = .post
    case (UInt8(ascii: "G"), UInt8(ascii: "E")) where equals(text, "GET"): self = .get
    default: self.init(String(cString: text))
    }
  }
}

private func equals(_ text: UnsafePointer<CChar>, _ known: StaticString) -> Bool {
  for index in 0..<known.utf8CodeUnitCount
  where UInt8(bitPattern: text[index]) != known.utf8Start[index] { return false }
  return text[known.utf8CodeUnitCount] == 0
}
