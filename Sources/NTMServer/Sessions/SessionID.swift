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

  static func make() -> String {
    var generator = SystemRandomNumberGenerator()
    let alphabet: StaticString =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
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
