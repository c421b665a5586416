internal import CDecimals

// JSON and CSV into a byte buffer. Structure is the caller's: these write values and their separators.

extension ByteBuffer {
  /// The shortest decimal that gives back the same float32. The value must be finite.
  mutating func appendNumber(_ value: Float) {
    withUnsafePointer(to: value) {
      appendValues(UnsafeBufferPointer(start: $0, count: 1))
    }
  }

  mutating func appendNumber(_ value: Int) { append(utf8: String(value)) }

  /// [a, b, …], or a text: the values as little-endian float32, in base64 (RFC 4648, section 4).
  mutating func appendArray(_ values: UnsafeBufferPointer<Float>, inBase64 isBase64: Bool = false) {
    append(UInt8(ascii: isBase64 ? "\"" : "["))
    if isBase64 { appendBase64(values) } else { appendValues(values) }
    append(UInt8(ascii: isBase64 ? "\"" : "]"))
  }

  private static let base64: StaticString =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

  /// Characters of so many float32 in base64.
  static func base64Count(_ values: Int) -> Int { (4 * values + 2) / 3 * 4 }

  private mutating func appendBase64(_ values: UnsafeBufferPointer<Float>) {
    let digits = Self.base64.utf8Start
    let count = Self.base64Count(values.count)
    append(atMost: count) { text in
      var end = text
      func write(_ bits: UInt32, characters: Int) {
        for place in 0..<4 {
          let digit = digits[Int(bits >> (18 - 6 * UInt32(place)) & 63)]
          end[place] = CChar(bitPattern: place < characters ? digit : UInt8(ascii: "="))
        }
        end += 4
      }
      // Three bytes at a time, whose first is the highest.
      var (bits, bytes): (UInt32, Int) = (0, 0)
      for value in values {
        var word = value.bitPattern
        for _ in 0..<4 {
          bits = bits << 8 | word & 255
          word >>= 8
          bytes += 1
          guard bytes == 3 else { continue }
          write(bits, characters: 4)
          (bits, bytes) = (0, 0)
        }
      }
      if bytes > 0 { write(bits << (24 - 8 * UInt32(bytes)), characters: bytes + 1) }
      return count
    }
  }

  /// a,b,… and the end of the line: CSV. The end is that of shells, which would take the one of
  /// RFC 4180 for a part of the last value.
  mutating func appendLine(_ values: UnsafeBufferPointer<Float>) {
    appendValues(values)
    append(UInt8(ascii: "\n"))
  }

  private mutating func appendValues(_ values: UnsafeBufferPointer<Float>) {
    guard let first = values.baseAddress else { return }
    append(atMost: values.count * (Int(DECIMALS_LONGEST) + 1)) {
      decimals_write(first, values.count, $0)
    }
  }

  /// Elements between brackets, with commas.
  mutating func appendList(
    _ indices: some Sequence<Int>, where isIn: (Int) -> Bool = { _ in true },
    _ element: (inout ByteBuffer, Int) -> Void
  ) {
    append(UInt8(ascii: "["))
    var isFirst = true
    for index in indices where isIn(index) {
      if !isFirst { append(UInt8(ascii: ",")) }
      isFirst = false
      element(&self, index)
    }
    append(UInt8(ascii: "]"))
  }
}
