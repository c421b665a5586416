extension JSONParser {
  /// Bytes of memory for each byte of text outside lists of numbers: a string with escapes is copied while it is read, and once
  /// more for an error that names it.
  private static let bytesPerByte = 3
  /// Bytes for one value in a list, while the list grows: `JSONValue` has 24, and the old and the new
  /// storage exist at a time.
  private static let bytesPerValue = 96
  /// Bytes for a list or an object, with its storage.
  private static let bytesPerContainer = 160
  /// Bytes for a number in a list of numbers: as a double, and as a float in the input that is made of
  /// it.
  private static let bytesPerNumber = 12
  /// Bytes for a list of numbers among others of its kind, and for the input that is made of it.
  private static let bytesPerRow = 64

  /// An upper estimate of the memory that parsing a text may need, without parsing it. It depends on
  /// brackets and commas alone, so it holds for text that is not JSON, too. Lists of numbers are found
  /// as the parser finds them, which stores them compactly.
  static func mostMemory(for text: [UInt8]) -> Int {
    text.withUnsafeBufferPointer { text in
      var bytes = 0
      var position = 0
      while position < text.count {
        switch text[position] {
        case UInt8(ascii: "["):
          bytes += bytesPerContainer
          guard let lists = JSONNumberLists(text, from: position + 1) else { break }
          bytes += bytesPerNumber * lists.numbers + bytesPerRow * (lists.rows ?? 0)
          position = lists.end
          continue
        case UInt8(ascii: "{"): bytes += bytesPerContainer
        case UInt8(ascii: ","): bytes += bytesPerValue
        default: break
        }
        bytes += bytesPerByte
        position += 1
      }
      return bytes
    }
  }
}
