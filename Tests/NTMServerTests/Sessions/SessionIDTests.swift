import Testing

@testable import NTMServer

struct SessionIDTests {
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  @Test func idsAreRandomBitsInBase64url() throws {
    let count = 100_000
    var digits = [UInt8?](repeating: nil, count: 256)
    for (digit, character) in Self.alphabet.enumerated() {
      digits[Int(character)] = UInt8(digit)
    }
    var seen: Set<String> = []
    var ones = [Int](repeating: 0, count: 132)
    for _ in 0..<count {
      let id = SessionID.make()
      seen.insert(id)
      try #require(id.utf8.count == 22)
      for (index, character) in id.utf8.reversed().enumerated() {
        let digit = try #require(digits[Int(character)], "\(id)")
        for bit in 0..<6 where digit >> bit & 1 == 1 { ones[6 * index + bit] += 1 }
      }
    }
    #expect(seen.count == count)
    // Each of the 128 bits is 1 in about half of them: 2,000 is more than twelve standard
    // deviations.
    for bit in 0..<128 { #expect(abs(ones[bit] - count / 2) < 2000, "bit \(bit): \(ones[bit])") }
    #expect(ones[128...].allSatisfy { $0 == 0 })
  }

  @Test func bitsTellNamesApart() throws {
    var seen: Set<SessionID.Bits> = []
    for _ in 0..<1000 {
      let id = SessionID.make()
      let bits = try #require(SessionID.Bits(id))
      #expect(Array(id.utf8).withUnsafeBytes { SessionID.Bits($0) } == bits)
      seen.insert(bits)
      // Another name differs, wherever it does.
      for (place, character) in id.enumerated() {
        var other = Array(id.utf8)
        other[place] = character == "B" ? UInt8(ascii: "C") : UInt8(ascii: "B")
        #expect(other.withUnsafeBytes { SessionID.Bits($0) } != bits)
      }
    }
    #expect(seen.count == 1000)
  }

  @Test(arguments: [
    "", "A", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "EAAAAAAAAAAAAAAAAAAAAA",
    "-AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAA+AAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA=",
    "AAAAAAAAAAAé AAAAAAAAA",
  ])
  func whatIsNoNameHasNoBits(_ text: String) {
    #expect(SessionID.Bits(text) == nil)
  }
}
