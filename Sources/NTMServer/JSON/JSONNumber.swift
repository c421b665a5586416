#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A number in a text of JSON (RFC 8259, section 6).
struct JSONNumber {
  struct Failure: Error {
    let reason: String
  }

  private let text: UnsafeBufferPointer<UInt8>
  private let start: Int
  /// Where it ends, once it has been read; where it stops being a number, if it does.
  private(set) var end: Int
  /// Its digits without the point, if there are no more than fit, and how many there are.
  private var digits: UInt64 = 0
  private var digitCount = 0
  /// The power of ten that they are to be multiplied by.
  private var exponent = 0

  /// Digits that `digits` has room for.
  private static let mostDigits = 19

  init(_ text: UnsafeBufferPointer<UInt8>, from start: Int) {
    self.text = text
    self.start = start
    end = start
  }

  static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

  private var next: UInt8 { end < text.count ? text[end] : 0 }

  private mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    end += 1
    return true
  }

  /// The nearest double; infinity or zero where it is beyond its range.
  mutating func read() throws(Failure) -> Double {
    let isNegative = skip("-")
    if skip("0") {
      digitCount = 1
      if Self.isDigit(next) { throw Failure(reason: "a number begins with 0") }
    } else {
      try readDigits()
    }
    if skip(".") {
      let point = end
      try readDigits()
      exponent = point - end
    }
    if next | 0x20 == UInt8(ascii: "e") {
      end += 1
      try readExponent()
    }
    if let exact { return isNegative ? -exact : exact }
    return converted
  }

  private mutating func readDigits() throws(Failure) {
    guard Self.isDigit(next) else { throw Failure(reason: "a digit is missing") }
    while Self.isDigit(next) {
      // What does not fit leaves the rest to `strtod`.
      digits = digits &* 10 &+ UInt64(next & 15)
      digitCount += 1
      end += 1
    }
  }

  private mutating func readExponent() throws(Failure) {
    let isNegative = skip("-")
    if !isNegative { _ = skip("+") }
    guard Self.isDigit(next) else { throw Failure(reason: "a digit is missing") }
    var given = 0
    while Self.isDigit(next) {
      given = min(given * 10 + Int(next & 15), 1_000_000)
      end += 1
    }
    exponent += isNegative ? -given : given
  }

  /// The absolute value where digits and power are doubles without rounding, so that one operation
  /// rounds once (Clinger 1990, How to Read Floating Point Numbers Accurately).
  private var exact: Double? {
    guard digitCount <= Self.mostDigits, digits <= 1 << 53 else { return nil }
    if exponent == 0 { return Double(digits) }
    guard abs(exponent) < Self.powers.count else { return nil }
    return exponent < 0
      ? Double(digits) / Self.powers[-exponent] : Double(digits) * Self.powers[exponent]
  }

  /// Those that doubles have exactly.
  private static let powers: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
  ]

  /// By the C library. The grammar has been checked, and locales are those of "C": the program sets
  /// none.
  private var converted: Double {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: end - start + 1) { copy in
      for (place, byte) in text[start..<end].enumerated() { copy[place] = CChar(bitPattern: byte) }
      copy[end - start] = 0
      return strtod(copy.baseAddress!, nil)
    }
  }
}
