import Testing

@testable import NTMServer

/// By which names the server may be called.
struct HostTests {
  @Test(
    arguments: Transport.allCases,
    [
      "localhost", "localhost:8080", "LocalHost:1", "127.0.0.1", "127.0.0.1:65535", "[::1]",
      "[::1]:8080",
    ])
  func namesOfThisMachineAreTaken(_ transport: Transport, _ host: String) async throws {
    try await withRawService(transport) { client async throws in
      #expect(try await client.get("/models", headers: [("Host", host)]).status == 200)
    }
  }

  /// What a page reaches by making its own name lead here.
  @Test(
    arguments: Transport.allCases,
    [
      "rebound.example", "rebound.example:8080", "localhost.rebound.example", "127.0.0.1.example",
      "127.0.0.2", "[::2]:80",
    ])
  func otherNamesAreRefused(_ transport: Transport, _ host: String) async throws {
    try await withRawService(transport) { client async throws in
      let headers = [("Host", host), ("Origin", "http://\(host)")]
      try expectProblem(
        try await client.send("POST", "/sessions", headers: headers, body: []), 421, "misdirected")
      try expectProblem(
        try await client.get("/models", headers: [("Host", host)]), 421, "misdirected")
      #expect(try await client.get("/sessions").text == #"{"next":null,"sessions":[]}"#)
    }
  }

  @Test(arguments: Transport.allCases)
  func moreNamesCanBeAllowed(_ transport: Transport) async throws {
    let options = ServiceOptions.testing { $0.allowedHosts = ["ntm.example", "[fd00::1]"] }
    try await withRawService(transport, .copy, options) { client async throws in
      for host in ["ntm.example:80", "NTM.example", "[fd00::1]:80", "localhost"] {
        #expect(try await client.get("/models", headers: [("Host", host)]).status == 200, "\(host)")
      }
      #expect(try await client.get("/models", headers: [("Host", "a.example")]).status == 421)
    }
  }

  @Test(arguments: [
    (host: "0.0.0.0", isLoopback: false), (host: "127.0.0.1", isLoopback: true),
    (host: "127.8.9.1", isLoopback: true), (host: "localhost", isLoopback: true),
    (host: "::1", isLoopback: true), (host: "::", isLoopback: false),
    (host: "::ffff:127.0.0.1", isLoopback: true), (host: "192.0.2.1", isLoopback: false),
    (host: "::ffff:192.0.2.1", isLoopback: false),
  ])
  func onlyWhereTheServerListensOnThisMachineAlone(_ host: String, _ isLoopback: Bool) throws {
    let options = ServiceOptions.testing { $0.http.host = host }
    #expect(try options.http.isLoopback() == isLoopback)
    #expect(options.hostNames?.last == (isLoopback ? host : nil))
  }

  @Test(arguments: Transport.allCases)
  func probesAreForAnyName(_ transport: Transport) async throws {
    try await withRawService(transport) { client async throws in
      for path in ["/livez", "/readyz"] {
        #expect(try await client.get(path, headers: [("Host", "10.0.0.7:80")]).status == 200)
      }
    }
  }

  @Test func aRequestWithoutHostIsNoBrowsers() throws {
    #expect(HostRules(["localhost"]).allows(nil))
    for host in ["", "[", "]", "[localhost", "localhost]", ":", ":8080"] {
      let isAllowed = Array(host.utf8).withUnsafeBytes { HostRules(["localhost"]).allows($0) }
      #expect(!isAllowed, "\(host)")
    }
  }

  @Test(arguments: [
    (text: "a.example", isName: true), (text: "10.0.0.1", isName: true),
    (text: "[fd00::1]", isName: true), (text: "fd00::1", isName: true), (text: "", isName: false),
    (text: "a.example:80", isName: false), (text: "http://a.example", isName: false),
    (text: "a b", isName: false), (text: "*", isName: false),
  ])
  func aNameHasNoPort(_ text: String, _ isName: Bool) {
    #expect(HostRules.isName(text) == isName)
  }
}
