/// Decoding of `%HH` in paths and queries (RFC 3986, section 2.1).
enum PercentEncoding {
  /// The text with its escapes replaced.
  ///
  /// - Returns: nil where a `%` is not followed by two hexadecimal digits, or where the result is
  ///   not UTF-8.
  static func decode(_ text: some StringProtocol) -> String? {
    guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    var rest = text.utf8.makeIterator()
    while let byte = rest.next() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.next().flatMap(digit), let low = rest.next().flatMap(digit) else {
        return nil
      }
      bytes.append(high << 4 | low)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  private static func digit(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}

extension UInt8 {
  /// Of ASCII.
  var isLetterOrDigit: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }
}

/// Header names are compared so (RFC 9110, section 5.1).
func equalsIgnoringASCIICase(_ left: some StringProtocol, _ right: some StringProtocol) -> Bool {
  left.utf8.count == right.utf8.count
    && left.utf8.elementsEqual(right.utf8) { asciiLowercased($0) == asciiLowercased($1) }
}

/// The same of bytes.
func equalsIgnoringASCIICase(
  _ left: some RandomAccessCollection<UInt8>, _ right: UnsafeRawBufferPointer
) -> Bool {
  guard left.count == right.count else { return false }
  for (index, byte) in left.enumerated()
  where byte != right[index] && asciiLowercased(byte) != asciiLowercased(right[index]) {
    return false
  }
  return true
}

private func asciiLowercased(_ byte: UInt8) -> UInt8 {
  (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
}
