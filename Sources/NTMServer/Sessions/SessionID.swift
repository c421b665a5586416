/// Names of sessions: 128 random bits of the system's generator, as 22 characters of base64url
/// (RFC 4648, section 5), so that they can't be guessed and need no escaping in a URL. The first has
/// what is left of the bits and is one of A to D: no command takes a name for an option.
enum SessionID {
  /// Whether this can be the name of a session.
  static func isOne(_ text: String) -> Bool {
    text.utf8.count == 22
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }

  /// The bits of a name: a key that costs less to make and to hash than a text.
  struct Bits: Hashable {
    private let high: UInt64
    private let lower: UInt64

    /// The least significant of them.
    var low: Int { Int(truncatingIfNeeded: lower & 0xFFFF) }

    /// - Returns: nil where this is no name that `make` gives
    init?(_ text: UnsafeRawBufferPointer) {
      // With more bits in the first character two names would have the same.
      guard text.count == 22, SessionID.digits[Int(text[0])] < 4 else { return nil }
      let digits = SessionID.digits
      var (high, lower): (UInt64, UInt64) = (0, 0)
      for index in 0..<22 {
        let digit = digits[Int(text[index])]
        guard digit < 64 else { return nil }
        high = high << 6 | lower >> 58
        lower = lower << 6 | UInt64(digit)
      }
      self.high = high
      self.lower = lower
    }

    init?(_ text: String) {
      var text = text
      guard let bits = text.withUTF8({ Bits(UnsafeRawBufferPointer($0)) }) else { return nil }
      self = bits
    }

    /// They are random, so that half of them tell sessions apart; none is a client's choice.
    func hash(into hasher: inout Hasher) { hasher.combine(lower) }
  }

  private static let alphabet: StaticString =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

  /// What each byte stands for; 255 for what stands for nothing. For as long as the process runs.
  private nonisolated(unsafe) static let digits: UnsafePointer<UInt8> = {
    let digits = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
    digits.initialize(repeating: .max, count: 256)
    for digit in 0..<64 { digits[Int(alphabet.utf8Start[digit])] = UInt8(digit) }
    return UnsafePointer(digits)
  }()

  static func make() -> String {
    var generator = SystemRandomNumberGenerator()
    var bits = (generator.next(), generator.next())
    return String(unsafeUninitializedCapacity: 22) { characters in
      for index in (0..<22).reversed() {
        characters[index] = alphabet.utf8Start[Int(bits.0 & 63)]
        bits.0 = bits.0 >> 6 | bits.1 << 58
        bits.1 >>= 6
      }
      return 22
    }
  }
}
