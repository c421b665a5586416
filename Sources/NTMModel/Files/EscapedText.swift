extension String {
  /// Bytes as text for a message. Bytes that are not UTF-8 and control characters are escaped, as in
  /// `d\xe4ta`.
  package init(escaping bytes: some Sequence<UInt8>) {
    let bytes = Array(bytes)
    var text = ""
    var index = 0
    while index < bytes.count {
      // The next character of UTF-8 has one to four bytes.
      let scalar = (1...4).lazy.compactMap { count -> (text: String, count: Int)? in
        guard index + count <= bytes.count else { return nil }
        return String(validating: bytes[index..<index + count], as: UTF8.self).map { ($0, count) }
      }.first
      if let scalar, bytes[index] >= 0x20, bytes[index] != 0x7F {
        text += scalar.text
        index += scalar.count
      } else {
        text += "\\x" + [bytes[index]].hexadecimal
        index += 1
      }
    }
    self = text
  }
}
