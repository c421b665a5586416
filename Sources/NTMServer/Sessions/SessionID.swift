/// Names of sessions: 128 random bits of the system's generator, as 22 characters of base64url
/// (RFC 4648, section 5), so that they can't be guessed and need no escaping in a URL.
enum SessionID {
  static func make() -> String {
    var generator = SystemRandomNumberGenerator()
    let alphabet: StaticString =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    var bits = (generator.next(), generator.next())
    return String(unsafeUninitializedCapacity: 22) { characters in
      for index in 0..<22 {
        characters[index] = alphabet.utf8Start[Int(bits.0 & 63)]
        bits.0 = bits.0 >> 6 | bits.1 << 58
        bits.1 >>= 6
      }
      return 22
    }
  }
}
