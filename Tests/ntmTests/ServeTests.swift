import Foundation
import Testing

/// `ntm serve` as a process.
struct ServeTests {
  // MARK: Starting

  @Test func saysWhatItServesAndWhere() async throws {
    let server = try Server()
    #expect(
      server.process.errors.contains(
        "serving associative-recall, copy, ngrams, priority-sort, repeat-copy on "
          + "http://127.0.0.1:\(server.port)\n"))
    #expect(try await server.send("GET", "/livez").status == 200)
    let models = try #require(
      try await server.object("GET", "/models")["models"] as? [[String: Any]])
    #expect(
      models.map { $0["name"] as? String }
        == ["associative-recall", "copy", "ngrams", "priority-sort", "repeat-copy"])
    #expect(try server.stop().output.isEmpty)
  }

  @Test func marksTheDefaultModel() async throws {
    let server = try Server(["--default-model", "repeat-copy"])
    #expect(server.process.errors.contains(", repeat-copy (default) on "))
    #expect(
      try await server.object("POST", "/sessions")["model"] as? String == "repeat-copy")
  }

  @Test(arguments: ["127.0.0.1", "localhost", "0.0.0.0"])
  func listensWhereItIsTold(_ host: String) async throws {
    let server = try Server(["--host", host] + (host == "0.0.0.0" ? ["--no-auth"] : []))
    #expect(server.process.errors.contains("on http://\(host):\(server.port)\n"))
    #expect(try await server.send("GET", "/livez").status == 200)
  }

  private static let hasIPv6: Bool = {
    #if canImport(Glibc)
      let descriptor = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
    #else
      let descriptor = socket(AF_INET6, SOCK_STREAM, 0)
    #endif
    defer { close(descriptor) }
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_addr = in6addr_loopback
    return withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in6>.size)) == 0
      }
    }
  }()

  @Test(.enabled(if: hasIPv6), arguments: ["::1", "[::1]"])
  func anIPv6AddressMayHaveBrackets(_ host: String) throws {
    let server = try Server(["--host", host])
    #expect(server.process.errors.contains("on http://[::1]:\(server.port)\n"))
    for host in ["::1", "[::1]", "[::]"] {
      let ending = try Executable.run(["health", "--host", host, "--port", "\(server.port)"])
      #expect(ending.output == "alive\n")
    }
  }

  @Test func aBadModelFileKeepsItFromStarting() throws {
    let folder = try TemporaryFolder()
    try folder.copyModel()
    try folder.write("broken.safetensors", "garbage")
    let ending = try Executable.run(["serve", "--models", folder.path, "--port", "0"])
    #expect(ending.status != 0)
    #expect(ending.errors.contains("refused \(folder.file("broken.safetensors")): "))
    #expect(ending.errors.contains("has a bad file: broken.safetensors"))
    #expect(ending.errors.contains("--skip-bad-models"))
    #expect(!ending.errors.contains("serving"))
  }

  @Test func goesOnWithoutBadModelFilesWhereThatIsWanted() async throws {
    let folder = try TemporaryFolder()
    try folder.copyModel()
    try folder.write("broken.safetensors", "garbage")
    let server = try Server(["--models", folder.path, "--skip-bad-models"])
    #expect(server.process.errors.contains("refused \(folder.file("broken.safetensors")): "))
    #expect(server.process.errors.contains("serving copy (default) on "))
    #expect(try await server.send("GET", "/models/copy").status == 200)
    #expect(try await server.send("GET", "/models/broken").status == 404)
  }

  @Test func aFolderWithoutModelsKeepsItFromStarting() throws {
    let folder = try TemporaryFolder()
    let empty = try Executable.run(["serve", "--models", folder.path, "--port", "0"])
    #expect(empty.status != 0)
    #expect(empty.errors.contains("\(folder.path) has no model (*.safetensors)"))
    let missing = try Executable.run(["serve", "--models", folder.file("no"), "--port", "0"])
    #expect(missing.status != 0)
    #expect(missing.errors.contains("the folder of models, \(folder.file("no")), can't be read"))
  }

  @Test func anAddressInUseKeepsItFromStarting() async throws {
    let first = try Server()
    let second = try Executable.run(
      ["serve", "--models", Executable.models, "--port", "\(first.port)"])
    #expect(second.status != 0)
    #expect(second.errors.contains("address already in use: 127.0.0.1 port \(first.port)"))
    #expect(try await first.send("GET", "/livez").status == 200)
  }

  // MARK: Stopping

  @Test(arguments: [(name: "SIGTERM", signal: SIGTERM), (name: "SIGINT", signal: SIGINT)])
  func stopsCleanly(_ name: String, _ signal: Int32) async throws {
    let server = try Server()
    #expect(try await server.send("GET", "/livez").status == 200)
    let ending = try server.stop(by: signal)
    #expect(ending.status == 0)
    #expect(ending.errors.contains("stopping: \(name)\n"))
    #expect(ending.errors.contains("stopped\n"))
  }

  /// A request that runs when the signal comes is answered.
  @Test(arguments: [SIGTERM, SIGINT])
  func finishesWhatIsRunning(_ signal: Int32) async throws {
    let server = try Server()
    let id = try await server.makeSession()
    let steps = 3000
    let inputs = Array(repeating: "[1,0,1,0,1,0,1,0,0]", count: steps).joined(separator: ",")
    let created = try await server.object("GET", "/sessions/\(id)")["last_activity"] as? String
    let address = server.address
    async let answer = address.send(
      "POST", "/sessions/\(id)/step", #"{"inputs":[\#(inputs)],"return":[]}"#)
    // It runs once the session is in use.
    while try await server.object("GET", "/sessions/\(id)")["last_activity"] as? String == created {
      try await Task.sleep(for: .milliseconds(1))
    }
    server.process.signal(signal)
    let results = (1...steps).map { #"{"session":"\#(id)","step":\#($0)}"# }
    #expect(try await answer.body == "{\"steps\":[\(results.joined(separator: ","))]}")
    let ending = try server.process.waitForEnd()
    #expect(ending.status == 0)
    #expect(ending.errors.contains("stopped\n"))
  }

  /// A request that never ends delays the stop; a second signal does not wait for it. Signals within
  /// half a second of the first are ignored, so the test repeats the second one.
  @Test(arguments: [(SIGTERM, 143), (SIGINT, 130)] as [(Int32, Int32)])
  func aSecondSignalEndsItAtOnce(_ signal: Int32, _ status: Int32) throws {
    let server = try Server(["--drain-timeout", "1h"])
    let request = try PartialRequest(port: server.port)
    server.process.signal(SIGTERM)
    try server.process.wait(for: "notice") {
      server.process.errors.contains("stopping: SIGTERM\n") ? () : nil
    }
    try server.process.wait(for: "end") {
      server.process.signal(signal)
      return server.process.isRunning ? nil : ()
    }
    let ending = try server.process.waitForEnd()
    #expect(ending.status == status)
    #expect(!ending.errors.contains("stopped"))
    withExtendedLifetime(request) {}
  }

  /// As coreutils' `timeout` sends them.
  @Test func twoSignalsAtOnceAreOneRequest() throws {
    let server = try Server()
    var request: PartialRequest? = try PartialRequest(port: server.port)
    for signal in [SIGTERM, SIGTERM, SIGINT] { server.process.signal(signal) }
    try server.process.wait(for: "notice") {
      server.process.errors.contains(/stopping: SIG(TERM|INT)\n/) ? () : nil
    }
    withExtendedLifetime(request) {}
    request = nil
    let ending = try server.process.waitForEnd()
    #expect(ending.status == 0)
    #expect(ending.errors.contains("stopped\n"))
  }

  /// Opening a FIFO blocks until another process opens its other end.
  @Test(arguments: [(SIGTERM, 143), (SIGINT, 130)] as [(Int32, Int32)])
  func aSignalEndsAServerThatHasNotStarted(_ signal: Int32, _ status: Int32) throws {
    let folder = try TemporaryFolder()
    try folder.copyModel()
    try folder.write("broken.safetensors", "garbage")
    let fifo = folder.file("store")
    try #require(mkfifo(fifo, 0o600) == 0)
    let process = try Executable([
      "serve", "--models", folder.path, "--skip-bad-models", "--port", "0",
      "--store", "sqlite:\(fifo)",
    ])
    // The models are loaded after the signals are caught and before the store is opened.
    try process.wait(for: "models") { process.errors.contains("refused") ? () : nil }
    process.signal(signal)
    #expect(try process.waitForEnd().status == status)
  }

  // MARK: Logging

  /// Each connection's thread writes its own lines, after the answer: those of requests on
  /// different connections come in any order.
  @Test func logsEveryRequestWhereThatIsWanted() async throws {
    let server = try Server(["--access-log"])
    _ = try await server.send("GET", "/livez")
    _ = try await server.send("GET", "/nothing?with=query")
    let id = try await server.makeSession()
    _ = try await server.send("POST", "/sessions/\(id)/step", "no JSON")
    let errors = try server.stop().errors
    let lines = errors.matches(of: /(GET|POST) (\S+) (\d{3}) (\d+) B (\d+) µs\n/).map {
      "\($0.1) \($0.2) \($0.3)"
    }
    #expect(
      lines.sorted() == [
        "GET /livez 200", "GET /nothing 404", "POST /sessions 201",
        "POST /sessions/\(id)/step 400",
      ])
    #expect(errors.contains(/GET \/livez 200 15 B \d+ µs/))
  }

  @Test func isSilentAboutRequestsOtherwise() async throws {
    let server = try Server()
    _ = try await server.send("GET", "/livez")
    let ending = try server.stop()
    #expect(!ending.errors.contains("/livez"))
    #expect(ending.errors.contains("stopped"))
  }

  @Test func saysOnlyWhatIsImportantEnough() async throws {
    // A port that is free: it won't say which it has taken.
    let other = try Server()
    try other.stop()
    let server = try Executable(
      [
        "serve", "--models", Executable.models, "--port", "\(other.port)", "--log-level", "error",
      ])
    try server.wait(for: "answer") {
      try Executable.run(["health", "--port", "\(other.port)"]).status == 0 ? () : nil
    }
    #expect(server.isRunning)
    server.signal(SIGTERM)
    let ending = try server.waitForEnd()
    #expect(ending.status == 0)
    #expect(ending.errors.isEmpty)
  }
}
