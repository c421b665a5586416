import Foundation
import Testing

/// Who may use what `ntm serve` serves, and what it says about it.
struct AccessTests {
  private static let alice = "alice-0123456789abcdef"
  private static let bob = "bob-0123456789abcdef"

  private func keyFile(_ content: String, mode: Int = 0o600) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.write("keys", content)
    try FileManager.default.setAttributes(
      [.posixPermissions: mode], ofItemAtPath: folder.file("keys"))
    return folder
  }

  // MARK: Keys

  @Test func aKeyIsNeededAndItsNameIsLogged() async throws {
    let folder = try keyFile("alice: \(Self.alice)")
    let server = try Server(["--api-key-file", folder.file("keys"), "--access-log"])
    let address = server.address
    #expect(try await address.send("GET", "/models").status == 401)
    #expect(try await address.send("GET", "/models", key: Self.bob).status == 401)
    #expect(try await address.send("GET", "/models", key: Self.alice).status == 200)
    #expect(
      try Executable.run(["health", "--port", "\(server.port)"]).status == 0, "probes need none")
    let errors = try server.stop().errors
    #expect(errors.contains(/key=alice.* GET \/models 200/))
    #expect(errors.contains(/request_id=[a-z2-7-]+ .*GET \/models 401/))
    #expect(!errors.contains(Self.alice))
    #expect(!errors.contains("others than its owner"))
  }

  @Test func aHangUpReadsTheKeysAgain() async throws {
    let folder = try keyFile("alice: \(Self.alice)")
    let server = try Server(["--api-key-file", folder.file("keys")])
    func hangUp(_ line: String) throws {
      server.process.signal(SIGHUP)
      try server.process.wait(for: line) { server.process.errors.contains(line) ? () : nil }
    }
    try folder.write("keys", "nonsense")
    try hangUp("line 1 has no colon; a line is \"name: key\"; the keys are what they were\n")
    #expect(try await server.address.send("GET", "/models", key: Self.alice).status == 200)
    try folder.write("keys", "bob: \(Self.bob)")
    try hangUp("read the file of keys; 1 are valid\n")
    #expect(try await server.address.send("GET", "/models", key: Self.alice).status == 401)
    #expect(try await server.address.send("GET", "/models", key: Self.bob).status == 200)
    #expect(try server.stop().status == 0)
  }

  @Test func aBadFileOfKeysKeepsItFromStarting() throws {
    let folder = try keyFile("alice: short")
    let ending = try Executable.run([
      "serve", "--models", Executable.models, "--port", "0", "--api-key-file", folder.file("keys"),
    ])
    #expect(ending.status != 0)
    #expect(ending.errors.contains("\(folder.file("keys")): line 1 has a key of 5 characters"))
    #expect(!ending.errors.contains("serving"))
  }

  @Test func aFileThatOthersCanReadIsWarnedOf() throws {
    let folder = try keyFile("alice: \(Self.alice)", mode: 0o644)
    let server = try Server(["--api-key-file", folder.file("keys")])
    #expect(
      server.process.errors.contains(
        "others than its owner can read the keys: chmod 600 \(folder.file("keys"))\n"))
  }

  // MARK: Without keys

  @Test(arguments: ["0.0.0.0", "::"])
  func whereOthersCanReachItNoKeysMustBeSaidOutLoud(_ host: String) throws {
    let ending = try Executable.run([
      "serve", "--models", Executable.models, "--port", "0", "--host", host,
    ])
    #expect(ending.status != 0)
    #expect(ending.errors.contains("--host \(host) lets others than this machine reach the server"))
    #expect(ending.errors.contains("--api-key-file FILE"))
    #expect(ending.errors.contains("--no-auth"))
    #expect(!ending.errors.contains("serving"))
  }

  @Test func whoSaysItIsWarned() async throws {
    let server = try Server(["--host", "0.0.0.0", "--no-auth"])
    #expect(
      server.process.errors.contains(
        "anybody who reaches 0.0.0.0 may use the server, because of --no-auth\n"))
    #expect(try await server.send("GET", "/models").status == 200)
    // On this machine alone there is nothing to warn of.
    let local = try Server()
    #expect(!local.process.errors.contains("--no-auth"))
  }

  @Test func withKeysOthersMayReachIt() async throws {
    let folder = try keyFile("alice: \(Self.alice)")
    let server = try Server(["--host", "0.0.0.0", "--api-key-file", folder.file("keys")])
    #expect(!server.process.errors.contains("warning"))
    #expect(try await server.send("GET", "/models").status == 401)
  }

  @Test func bothAtATimeAreRefused() throws {
    let ending = try Executable.run(["serve", "--no-auth", "--api-key-file", "x"])
    #expect(ending.status != 0)
    #expect(ending.errors.contains("--no-auth asks for no key, and --api-key-file for one"))
  }

  // MARK: Logs

  @Test func theWholeLogCanBeJSON() async throws {
    let server = try Executable(
      [
        "serve", "--models", Executable.models, "--port", "0", "--host", "0.0.0.0", "--no-auth",
        "--log-format", "json", "--access-log",
      ])
    let port = try server.wait(for: "address") {
      try server.errors.firstMatch(of: /http:\/\/0.0.0.0:(\d+)"/).map { try #require(Int($0.1)) }
    }
    #expect(try await Address(port: port).send("GET", "/models/none").status == 404)
    server.signal(SIGTERM)
    let ending = try server.waitForEnd()
    let lines = try ending.errors.split(separator: "\n").map {
      try #require(
        try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any], "\($0)")
    }
    let request = try #require(lines.first { $0["path"] as? String == "/models/none" })
    #expect(request["method"] as? String == "GET")
    #expect(request["status"] as? Int == 404)
    #expect(request["request_id"] is String)
    #expect(lines.last?["message"] as? String == "stopped")
  }

  // MARK: Stopping

  @Test func beforeItStopsItSaysThatItWill() async throws {
    let server = try Server(["--drain-delay", "1h"])
    server.process.signal(SIGTERM)
    try server.process.wait(for: "stop") {
      server.process.errors.contains("stopping: SIGTERM") ? () : nil
    }
    // On new connections, and for as long as was asked for.
    while try await server.send("GET", "/readyz").status == 200 {}
    #expect(try await server.send("GET", "/readyz").body.contains("urn:ntm:problem:stopping"))
    #expect(try await server.send("POST", "/sessions", #"{"model":"copy"}"#).status == 503)
    #expect(try await server.send("GET", "/livez").status == 200)
    #expect(server.process.isRunning)
    // A second signal skips the delay. Signals within half a second of the first are ignored.
    try server.process.wait(for: "end of the delay") {
      server.process.signal(SIGTERM)
      return server.process.errors.contains("skipping the rest of the drain delay") ? () : nil
    }
    let ending = try server.process.waitForEnd()
    #expect(ending.status == 0)
    #expect(ending.errors.contains("stopped\n"))
  }
}
