import Testing

@testable import NTMServer

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@Suite struct ConnectionLimitsTests {
  private static func address(_ text: String) throws -> NetworkAddress {
    if text.contains(":") {
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      try #require(inet_pton(AF_INET6, text, &address.sin6_addr) == 1)
      return try withUnsafePointer(to: address) {
        try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          try #require(NetworkAddress($0))
        }
      }
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    try #require(inet_pton(AF_INET, text, &address.sin_addr) == 1)
    return try withUnsafePointer(to: address) {
      try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { try #require(NetworkAddress($0)) }
    }
  }

  @Test(arguments: [
    ("127.0.0.1", "127.0.0.1", true), ("127.0.0.1", "127.0.0.2", false),
    ("127.0.0.1", "::ffff:127.0.0.1", true), ("127.0.0.1", "::7f00:1", false),
    ("2001:db8::1", "2001:db8:0:0:ffff::2", true), ("2001:db8::1", "2001:db8:0:1::1", false),
    ("0.0.0.1", "::1", false),
  ])
  func addressesAreTheSameClientOrNot(_ first: String, _ second: String, _ areSame: Bool) throws {
    let (first, second) = (try Self.address(first), try Self.address(second))
    #expect((first == second) == areSame)
  }

  @Test func addressesAreCountedApart() throws {
    let limits = ConnectionLimits(total: 5, perAddress: 2)
    let (one, other) = (try Self.address("192.0.2.1"), try Self.address("192.0.2.2"))
    let places = [limits.take(one), limits.take(one)]
    #expect(places.allSatisfy { $0 != nil && $0?.refusal == nil })
    #expect(limits.take(one)?.refusal == .tooManyConnectionsOfAddress(limit: 2))
    #expect(limits.take(other)?.refusal == nil)
    limits.giveBack(try #require(places[0]))
    #expect(limits.take(one)?.refusal == nil)
    // An address that is not known is only one of all.
    #expect(limits.take(nil)?.refusal == nil)
    #expect(limits.take(nil)?.refusal == nil)
    #expect(limits.take(nil)?.refusal == .tooManyConnections(limit: 5))
  }
}
