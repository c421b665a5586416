import Foundation
import Logging
import Testing

@testable import NTMServer

/// Requests with keys and without.
struct APIKeyTests {
  private static let alice = "alice-0123456789abcdef"
  private static let bob = "Bob.~+/0123456789=="
  private static let file = "# who: key\n\nalice: \(alice)\n  bob:\(bob)  \n"

  private func withKeys(
    _ transport: Transport, open: Bool = false, _ body: (any TestClient) async throws -> Void
  ) async throws {
    let keys = try TemporaryKeys(Self.file)
    let options = ServiceOptions.testing {
      $0.apiKeys = keys.keys
      $0.openMetrics = open
    }
    try await withRawService(transport, .copy, options, body)
  }

  @Test(arguments: Transport.allCases, [nil, "Basic YTpi", "Bearer", "alice-0123456789abcdef"])
  func withoutAKeyNothingIsAnswered(_ transport: Transport, _ header: String?) async throws {
    try await withKeys(transport) { client async throws in
      let headers = header.map { [("Authorization", $0)] } ?? []
      // A body is not waited for. A path that is not there looks no different.
      for (method, path, body) in [
        ("GET", "/models", ""), ("POST", "/sessions", #"{"model":"copy"}"#),
        ("GET", "/metrics", ""),
        ("GET", "/nothing", ""),
      ] {
        let response = try await client.send(
          method, path, headers: headers, body: Array(body.utf8))
        try expectProblem(response, 401, "unauthorized")
        #expect(response.header("WWW-Authenticate") == #"Bearer realm="ntm""#)
      }
    }
  }

  @Test(
    arguments: Transport.allCases,
    ["alice-0123456789abcdeF", "alice-0123456789abcde", "alice-0123456789abcdef0", "x"])
  func anotherKeyIsRefused(_ transport: Transport, _ key: String) async throws {
    try await withKeys(transport) { client async throws in
      let response = try await client.get("/models", headers: [("Authorization", "Bearer \(key)")])
      try expectProblem(response, 401, "unauthorized")
      #expect(
        response.header("WWW-Authenticate") == #"Bearer realm="ntm", error="invalid_token""#)
    }
  }

  @Test(
    arguments: Transport.allCases,
    ["Bearer \(alice)", "bearer \(bob)", "Bearer  \(bob)"])
  func withAKeyAllIsAsEver(_ transport: Transport, _ header: String) async throws {
    try await withKeys(transport) { client async throws in
      let headers = [("Authorization", header)]
      #expect(
        try await client.send(
          "POST", "/sessions", headers: headers, body: Array(#"{"model":"copy"}"#.utf8)
        ).status == 201)
      #expect(try await client.get("/metrics", headers: headers).status == 200)
      #expect(try await client.get("/nothing", headers: headers).status == 404)
    }
  }

  @Test(arguments: Transport.allCases)
  func probesNeedNone(_ transport: Transport) async throws {
    try await withKeys(transport) { client async throws in
      for path in ["/livez", "/readyz"] { #expect(try await client.get(path).status == 200) }
    }
  }

  @Test(arguments: Transport.allCases)
  func metricsCanBeOpen(_ transport: Transport) async throws {
    try await withKeys(transport, open: true) { client async throws in
      #expect(try await client.get("/metrics").status == 200)
      #expect(try await client.get("/models").status == 401)
    }
  }

  // MARK: The file

  @Test func aChangedFileIsReadAgain() throws {
    let file = try TemporaryKeys("alice: \(Self.alice)")
    try file.write("carol: \(Self.bob)")
    #expect(file.keys.name(of: Self.alice) == "alice")
    try file.keys.reload()
    #expect(file.keys.name(of: Self.alice) == nil)
    #expect(file.keys.name(of: Self.bob) == "carol")
  }

  @Test func aBadFileLeavesTheKeysAsTheyWere() throws {
    let file = try TemporaryKeys("alice: \(Self.alice)")
    try file.write("nonsense")
    #expect(throws: APIKeyError.self) { try file.keys.reload() }
    #expect(file.keys.name(of: Self.alice) == "alice")
    #expect(file.keys.count == 1)
  }

  @Test(arguments: [
    (content: "", reason: "there is no key; a line is \"name: key\""),
    (content: "# alice: 0123456789abcdef", reason: "there is no key; a line is \"name: key\""),
    (content: "alice 0123456789abcdef", reason: "line 1 has no colon; a line is \"name: key\""),
    (
      content: "#\n: 0123456789abcdef",
      reason:
        "line 2 has no valid name: letters, digits, hyphen, underscore and dot are valid"
    ),
    (
      content: "a b: 0123456789abcdef",
      reason:
        "line 1 has no valid name: letters, digits, hyphen, underscore and dot are valid"
    ),
    (
      content: "a: 0123456789 abcdef",
      reason: "line 1 has a key with other characters than letters, digits and -._~+/="
    ),
    (
      content: "a: 0123456789abcde",
      reason: "line 1 has a key of 15 characters; the shortest that is taken has 16"
    ),
    (
      content: "a: 0123456789abcdef\r\na: 0123456789abcdeF",
      reason: "line 2 has a name that was there before: a"
    ),
    (
      content: "a: 0123456789abcdef\nb: 0123456789abcdef",
      reason: "line 2 has a key that was there before"
    ),
  ])
  func aFileThatIsWrongSaysWhere(_ content: String, _ reason: String) throws {
    let error = #expect(throws: APIKeyError.self) { try TemporaryKeys(content) }
    let description = try #require(error?.description)
    #expect(description.hasSuffix(": \(reason)"), "\(description)")
    #expect(!description.contains("0123456789"))
  }

  @Test func aFileMayHaveManyKeys() throws {
    let lines = (0..<20_000).map { "user\($0): key-of-user-\($0)-0123456789" }
    let file = try TemporaryKeys(lines.joined(separator: "\r\n"))
    #expect(file.keys.count == 20_000)
    #expect(file.keys.name(of: "key-of-user-19999-0123456789") == "user19999")
    #expect(file.keys.name(of: "key-of-user-20000-0123456789") == nil)
    // The lines after a duplicate are not accepted either.
    try file.write((lines + ["user20000: key-of-user-7-0123456789"]).joined(separator: "\n"))
    let error = #expect(throws: APIKeyError.self) { try file.keys.reload() }
    #expect(error?.description.hasSuffix("line 20001 has a key that was there before") == true)
    #expect(file.keys.count == 20_000)
  }

  /// No process writes to the pipe: reading it would never end.
  @Test func aPipeIsNotReadAgain() throws {
    let file = try TemporaryKeys("alice: \(Self.alice)")
    try FileManager.default.removeItem(atPath: file.path)
    try #require(mkfifo(file.path, 0o600) == 0)
    let error = #expect(throws: APIKeyError.self) { try file.keys.reload() }
    #expect(error?.description == "\(file.path): is not a regular file and can't be read again")
    #expect(file.keys.name(of: Self.alice) == "alice")
  }

  @Test(arguments: ["\n", "\r\n", "\r"])
  func linesAreCountedByAnyLineEnd(_ end: String) throws {
    let content = ["# keys", "", "a: 0123456789abcdef", "", "b"].joined(separator: end)
    let error = #expect(throws: APIKeyError.self) { try TemporaryKeys(content) }
    #expect(error?.description.contains("line 5 has no colon") == true)
  }

  @Test func aMissingFileIsAnError() {
    let error = #expect(throws: APIKeyError.self) { try APIKeys(path: "/no/such/file") }
    #expect(error?.description == "the file of keys, /no/such/file, can't be read")
  }

  @Test(arguments: [
    (mode: 0o600, isReadable: false), (mode: 0o400, isReadable: false),
    (mode: 0o640, isReadable: true), (mode: 0o604, isReadable: true),
  ])
  func whoCanReadItIsSeen(_ mode: Int, _ isReadable: Bool) throws {
    let file = try TemporaryKeys(Self.file, mode: mode)
    withExtendedLifetime(file) { #expect(file.keys.isReadableByOthers == isReadable) }
  }
}
