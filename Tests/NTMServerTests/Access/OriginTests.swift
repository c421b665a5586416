import Testing

@testable import NTMServer

/// Pages of other sites.
struct OriginTests {
  private static let page = "https://page.example"

  @Test(
    arguments: Transport.allCases,
    [page, "http://localhost:3000", "http://localhost", "null", "http://localhost:8080.example"])
  func aForeignPageIsRefused(_ transport: Transport, _ origin: String) async throws {
    try await withRawService(transport) { client async throws in
      let headers = [("Origin", origin), ("Host", "localhost:8080")]
      // With a body, the refusal does not wait for it.
      for body in ["", #"{"model":"copy"}"#] {
        let response = try await client.send(
          "POST", "/sessions", headers: headers, body: Array(body.utf8))
        try expectProblem(response, 403, "foreign-origin", fields: ["origin": .text(origin)])
        #expect(response.header("Access-Control-Allow-Origin") == nil)
      }
      let preflight = try await client.send(
        "OPTIONS", "/sessions", headers: headers + [("Access-Control-Request-Method", "POST")],
        body: [])
      try expectProblem(preflight, 403, "foreign-origin")
      #expect(try await client.get("/sessions").text == #"{"next":null,"sessions":[]}"#)
    }
  }

  @Test(
    arguments: Transport.allCases,
    ["http://localhost:8080", "https://localhost:8080", "http://LOCALHOST:8080"])
  func aPageOfThisServerIsNot(_ transport: Transport, _ origin: String) async throws {
    try await withRawService(transport) { client async throws in
      let response = try await client.send(
        "POST", "/sessions", headers: [("Origin", origin), ("Host", "localhost:8080")], body: [])
      #expect(response.status == 201)
      #expect(response.header("Access-Control-Allow-Origin") == nil)
    }
  }

  @Test(arguments: Transport.allCases)
  func aSiteCanBeAllowed(_ transport: Transport) async throws {
    let options = ServiceOptions.testing {
      $0.allowedOrigins = ["http://other.example", Self.page]
    }
    try await withRawService(transport, .copy, options) { client async throws in
      let response = try await client.send(
        "POST", "/sessions", headers: [("Origin", Self.page)], body: [])
      #expect(response.status == 201)
      #expect(response.header("Access-Control-Allow-Origin") == Self.page)
      #expect(response.headers.contains { $0.name == "Vary" && $0.value == "Origin" })
      let exposed = try #require(response.header("Access-Control-Expose-Headers"))
      for name in ["Location", "Idempotent-Replayed", "Retry-After", "X-Request-Id"] {
        #expect(exposed.contains(name), "\(name)")
      }
      // A page may read why it was refused.
      let refused = try await client.get("/models/none", headers: [("Origin", Self.page)])
      #expect(refused.status == 404)
      #expect(refused.header("Access-Control-Allow-Origin") == Self.page)
      let foreign = try await client.get("/models", headers: [("Origin", "https://a.example")])
      #expect(foreign.status == 403)
      // What a cache keeps of a request without origin must not be given to a page.
      let plain = try await client.get("/models")
      #expect(plain.headers.contains { $0.name == "Vary" && $0.value == "Origin" })
      #expect(plain.header("Access-Control-Allow-Origin") == nil)
    }
  }

  @Test(arguments: Transport.allCases)
  func everySiteCanBeAllowed(_ transport: Transport) async throws {
    let options = ServiceOptions.testing { $0.allowedOrigins = ["*"] }
    try await withRawService(transport, .copy, options) { client async throws in
      for origin in [Self.page, "null"] {
        let response = try await client.get("/models", headers: [("Origin", origin)])
        #expect(response.status == 200)
        #expect(response.header("Access-Control-Allow-Origin") == "*")
        #expect(response.header("Vary")?.contains("Origin") != true)
      }
    }
  }

  /// The question comes without key, whoever may answer it.
  @Test(arguments: Transport.allCases)
  func aPreflightIsAnswered(_ transport: Transport) async throws {
    let keys = try TemporaryKeys("alice: 0123456789abcdef")
    let options = ServiceOptions.testing {
      $0.allowedOrigins = [Self.page]
      $0.apiKeys = keys.keys
    }
    try await withRawService(transport, .copy, options) { client async throws in
      let response = try await client.send(
        "OPTIONS", "/sessions/x/step",
        headers: [
          ("Origin", Self.page), ("Access-Control-Request-Method", "POST"),
          ("Access-Control-Request-Headers", "authorization, content-type"),
        ], body: [])
      #expect(response.status == 204)
      #expect(response.body.isEmpty)
      #expect(response.header("Access-Control-Allow-Origin") == Self.page)
      let methods = try #require(response.header("Access-Control-Allow-Methods"))
      for method in ["GET", "POST", "PUT", "DELETE"] { #expect(methods.contains(method)) }
      let headers = try #require(response.header("Access-Control-Allow-Headers"))
      for name in [
        "Content-Type", "Authorization", "Idempotency-Key", "Last-Event-ID", "X-Request-Id",
      ] {
        #expect(headers.contains(name), "\(name)")
      }
      // Without the question it is a method like others.
      let other = try await client.send(
        "OPTIONS", "/sessions",
        headers: [("Origin", Self.page), ("Authorization", "Bearer 0123456789abcdef")], body: [])
      try expectProblem(other, 405, "method-not-allowed")
    }
  }

  @Test(arguments: [
    (text: "https://a.example", isOrigin: true), (text: "http://localhost:3000", isOrigin: true),
    (text: "http://[::1]:3000", isOrigin: true), (text: "moz-extension://abc", isOrigin: true),
    (text: "*", isOrigin: true), (text: "a.example", isOrigin: false),
    (text: "https://", isOrigin: false), (text: "https://a.example/", isOrigin: false),
    (text: "https://*.example", isOrigin: false), (text: "://a", isOrigin: false),
    (text: "https://a b", isOrigin: false), (text: "", isOrigin: false),
  ])
  func anOriginIsASchemeAndAHost(_ text: String, _ isOrigin: Bool) {
    #expect(OriginRules.isOrigin(text) == isOrigin)
  }
}
