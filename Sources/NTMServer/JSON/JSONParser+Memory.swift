extension JSONParser {
  /// Bytes of memory for one value in a list, while the list grows: `JSONValue` has 24, and the old
  /// and the new storage exist at a time.
  private static let bytesPerValue = 96
  /// Bytes for a number in a list of numbers, likewise.
  private static let bytesPerNumber = 24
  /// Bytes for a list or an object, with its storage.
  private static let bytesPerContainer = 160

  /// An upper estimate of the memory that parsing a text may need, without parsing it. It depends on
  /// the number of brackets and commas, and not on where they stand, so it holds for text that is not
  /// JSON, too.
  static func mostMemory(for text: [UInt8]) -> Int {
    var bytes = text.count
    var isAfterDigit = false
    for byte in text {
      switch byte {
      case UInt8(ascii: "["), UInt8(ascii: "{"): bytes += bytesPerContainer
      case UInt8(ascii: ","): bytes += isAfterDigit ? bytesPerNumber : bytesPerValue
      default: break
      }
      isAfterDigit = byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }
    return bytes
  }
}
