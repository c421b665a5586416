import Foundation
import Testing

@testable import ntm

/// Options on the command line and in environment variables.
struct EnvironmentTests {
  /// For each option a value that it can't have and a part of what is said about it, and a value
  /// that is good.
  struct Case: Sendable, CustomTestStringConvertible {
    let option: String
    let bad: String
    let complaint: String
    let good: String
    var testDescription: String { "\(option) \(bad)" }
    var variable: String { "NTM_" + option.uppercased().replacing("-", with: "_") }
  }

  // Made once, and only read.
  nonisolated(unsafe) private static let keys: TemporaryFolder = {
    let folder = try! TemporaryFolder()
    try! folder.write("keys", "alice: 0123456789abcdef\n")
    return folder
  }()

  static let cases = [
    Case(
      option: "models", bad: "/no/such/folder", complaint: "the folder of models, /no/such/folder",
      good: Executable.models),
    Case(
      option: "host", bad: "no.such.host.invalid", complaint: "no.such.host.invalid",
      good: "127.0.0.1"),
    Case(option: "port", bad: "65536", complaint: "65536", good: "0"),
    Case(option: "port", bad: "-1", complaint: "-1", good: "0"),
    Case(option: "port", bad: "http", complaint: "'http' is invalid for '--port", good: "0"),
    Case(option: "default-model", bad: "none", complaint: "\"none\" is not among", good: "copy"),
    Case(option: "store", bad: "disk", complaint: "'--store", good: "memory"),
    Case(
      option: "store", bad: "sqlite:/no/such/folder/file", complaint: "--store memory",
      good: "sqlite:sessions.sqlite"),
    Case(option: "durability", bad: "never", complaint: "'--durability", good: "always"),
    Case(option: "session-ttl", bad: "0", complaint: "'--session-ttl", good: "1h"),
    Case(option: "session-ttl", bad: "-1", complaint: "'--session-ttl", good: "3600"),
    Case(option: "session-ttl", bad: "1w", complaint: "'--session-ttl", good: "7d"),
    Case(option: "max-keep-alive", bad: "always", complaint: "'--max-keep-alive", good: "never"),
    Case(option: "session-ttl", bad: "nan", complaint: "'--session-ttl", good: "0.5s"),
    Case(option: "max-sessions", bad: "many", complaint: "'--max-sessions", good: "10"),
    Case(option: "max-sessions", bad: "-1", complaint: "max-sessions", good: "1"),
    Case(option: "max-session-bytes", bad: "1X", complaint: "'--max-session-bytes", good: "1G"),
    Case(
      option: "max-session-bytes", bad: "9000000000G", complaint: "'--max-session-bytes",
      good: "65536"),
    Case(option: "idempotency-ttl", bad: "0", complaint: "'--idempotency-ttl", good: "1h"),
    Case(
      option: "max-idempotency-bytes", bad: "1X", complaint: "'--max-idempotency-bytes",
      good: "64M"),
    Case(option: "max-body", bad: "-1", complaint: "'--max-body", good: "1M"),
    Case(option: "max-body", bad: "1.5M", complaint: "'--max-body", good: "512k"),
    Case(option: "max-reply", bad: "", complaint: "'--max-reply", good: "1M"),
    Case(option: "max-reply", bad: "M", complaint: "'--max-reply", good: "1T"),
    Case(option: "max-stream", bad: "1Q", complaint: "'--max-stream", good: "1G"),
    Case(option: "max-connections", bad: "0", complaint: "0 is not from", good: "100"),
    Case(
      option: "max-connections-per-address", bad: "-1", complaint: "-1 is not from", good: "50"),
    Case(option: "request-timeout", bad: "0", complaint: "'--request-timeout", good: "1m"),
    Case(option: "request-timeout", bad: "2d", complaint: "172800 is not from", good: "1m"),
    Case(option: "max-queue", bad: "0", complaint: "0 is not from", good: "10"),
    Case(option: "idle-timeout", bad: "2d", complaint: "172800 is not from", good: "60"),
    Case(option: "event-loops", bad: "0", complaint: "0 is not from", good: "1"),
    Case(option: "max-body-memory", bad: "big", complaint: "'--max-body-memory", good: "64M"),
    Case(option: "max-body-disk", bad: "-1", complaint: "'--max-body-disk", good: "1G"),
    Case(option: "workers", bad: "0", complaint: "0 is not from", good: "1"),
    Case(option: "workers", bad: "x", complaint: "'--workers", good: "2"),
    Case(option: "drain-timeout", bad: "soon", complaint: "'--drain-timeout", good: "10s"),
    Case(option: "drain-delay", bad: "0", complaint: "'--drain-delay", good: "0.1s"),
    Case(
      option: "api-key-file", bad: "/no/such/file", complaint: "the file of keys, /no/such/file",
      good: keys.file("keys")),
    Case(
      option: "cors-origin", bad: "a.example", complaint: "'--cors-origin",
      good: "https://a.example"),
    Case(
      option: "allowed-host", bad: "a.example:80", complaint: "'--allowed-host",
      good: "a.example"),
    Case(option: "log-format", bad: "xml", complaint: "'--log-format", good: "text"),
    Case(option: "log-level", bad: "loud", complaint: "'--log-level", good: "info"),
  ]

  @Test func everyOptionOfServeHasAVariable() throws {
    let help = try Executable.run(["serve", "--help"])
    #expect(help.status == 0)
    let options = Set(help.output.matches(of: /--([a-z][a-z-]*)/).map { String($0.1) })
      .subtracting(["help", "version"])
    // "--session-ttl" is also named in the text; a name that is only there would be a mistake too.
    #expect(options.count > 10)
    #expect(options == Set(Serve.valueOptions + Serve.flags))
    // Those with a value are those that the help shows with one.
    let withValue = Set(help.output.matches(of: /--([a-z][a-z-]*) </).map { String($0.1) })
    #expect(withValue == Set(Serve.valueOptions))
    // Those of TLS need files, and have tests of their own.
    let tls = ["tls-certificate", "tls-key"]
    #expect(Set(Self.cases.map(\.option) + tls) == Set(Serve.valueOptions))
  }

  @Test func everyOptionOfHealthHasAVariable() throws {
    let help = try Executable.run(["health", "--help"])
    let options = Set(help.output.matches(of: /--([a-z][a-z-]*)/).map { String($0.1) })
      .subtracting(["help", "version"])
    #expect(options == Set(Health.valueOptions + Health.flags))
  }

  @Test(arguments: cases)
  func aBadValueIsRefusedOnTheCommandLine(_ option: Case) throws {
    var arguments = ["serve", "--\(option.option)=\(option.bad)"]
    if option.option != "models" { arguments += ["--models", Executable.models] }
    if option.option != "port" { arguments += ["--port", "0"] }
    let ending = try Executable.run(arguments)
    #expect(ending.status != 0)
    #expect(ending.errors.contains(option.complaint), "\(ending.errors)")
    #expect(!ending.errors.contains("serving"))
  }

  @Test(arguments: cases.filter { !$0.bad.isEmpty })
  func aBadValueIsRefusedInTheEnvironment(_ option: Case) throws {
    var environment = ["NTM_MODELS": Executable.models, "NTM_PORT": "0"]
    environment[option.variable] = option.bad
    let ending = try Executable.run(["serve"], environment: environment)
    #expect(ending.status != 0)
    #expect(ending.errors.contains(option.complaint), "\(ending.errors)")
    #expect(!ending.errors.contains("serving"))
  }

  @Test func theCommandLineWins() async throws {
    var environment = ["NTM_SKIP_BAD_MODELS": "perhaps", "NTM_ACCESS_LOG": "perhaps"]
    var arguments: [String] = ["--skip-bad-models", "--access-log"]
    for (index, option) in Self.cases.enumerated() where environment[option.variable] == nil {
      environment[option.variable] = option.bad
      // Both ways to write it.
      arguments +=
        index.isMultiple(of: 2)
        ? ["--\(option.option)", option.good] : ["--\(option.option)=\(option.good)"]
    }
    // What `Server` would add is there already.
    arguments += ["--log-level", "info"]
    let server = try Server(arguments, environment: environment)
    #expect(try await server.send("GET", "/livez").status == 200)
    #expect(try server.stop().errors.contains("GET /livez 200"))
  }

  @Test func goodValuesAreTakenFromTheEnvironment() async throws {
    var environment: [String: String] = [:]
    for option in Self.cases { environment[option.variable] = option.good }
    environment["NTM_SESSION_TTL"] = "900"
    // A test of its own: requests would need a key.
    environment["NTM_API_KEY_FILE"] = nil
    environment["NTM_MAX_SESSIONS"] = "2"
    environment["NTM_MAX_SESSION_BYTES"] = "1G"
    environment["NTM_MAX_BODY"] = "1k"
    environment["NTM_MAX_REPLY"] = "2k"
    environment["NTM_ACCESS_LOG"] = "yes"
    environment["NTM_SKIP_BAD_MODELS"] = "0"
    let server = try Server(environment: environment)
    let session = try await server.object("POST", "/sessions")
    #expect(session["model"] as? String == "copy")
    let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    let used = try format.parse(try #require(session["last_activity"] as? String))
    let ends = try format.parse(try #require(session["expires_at"] as? String))
    #expect(ends.timeIntervalSince(used) == 900)
    let id = try #require(session["id"] as? String)
    #expect(
      try await server.send(
        "POST", "/sessions/\(id)/step", String(repeating: " ", count: 1025)
      ).status == 413)
    let inputs = Array(repeating: "[1,0,1,0,1,0,1,0,0]", count: 30).joined(separator: ",")
    #expect(
      try await server.send("POST", "/sessions/\(id)/step", #"{"inputs":[\#(inputs)]}"#).status
        == 422)
    #expect(try await server.send("POST", "/sessions").status == 201)
    #expect(try await server.send("POST", "/sessions").status == 503)
    #expect(try server.stop().errors.contains("POST /sessions 503"))
  }

  @Test func anEmptyVariableIsNone() async throws {
    var environment: [String: String] = [:]
    for option in Serve.valueOptions + Serve.flags {
      environment["NTM_" + option.uppercased().replacing("-", with: "_")] = ""
    }
    environment["NTM_MODELS"] = Executable.models
    environment["NTM_PORT"] = "0"
    let server = try Server(environment: environment)
    #expect(try await server.send("GET", "/livez").status == 200)
  }

  @Test(arguments: [
    (value: "1", isOn: true), (value: "true", isOn: true), (value: "YES", isOn: true),
    (value: "on", isOn: true), (value: "0", isOn: false), (value: "false", isOn: false),
    (value: "No", isOn: false), (value: "off", isOn: false),
  ])
  func aFlagIsAYesOrNo(_ value: String, _ isOn: Bool) throws {
    let environment = Environment(variables: ["NTM_ACCESS_LOG": value])
    #expect(
      try environment.completing(["serve"]) == (isOn ? ["serve", "--access-log"] : ["serve"]))
  }

  @Test func aListHasCommas() throws {
    let environment = Environment(variables: [
      "NTM_CORS_ORIGIN": "https://a.example, http://b.example:80,", "NTM_MODELS": "a,b",
    ])
    #expect(
      try environment.completing(["serve"]) == [
        "serve", "--models=a,b", "--cors-origin=https://a.example",
        "--cors-origin=http://b.example:80",
      ])
  }

  @Test func aFlagThatIsNeitherIsRefused() throws {
    let ending = try Executable.run(["serve"], environment: ["NTM_ACCESS_LOG": "perhaps"])
    #expect(ending.status != 0)
    #expect(ending.errors.contains("NTM_ACCESS_LOG is \"perhaps\"; true and false are valid"))
  }

  @Test(arguments: [["run", "x"], ["inspect"], [], ["--help"], ["unknown"]])
  func otherCommandsAreLeftAlone(_ arguments: [String]) throws {
    let environment = Environment(variables: ["NTM_PORT": "1", "NTM_ACCESS_LOG": "perhaps"])
    #expect(try environment.completing(arguments) == arguments)
  }
}
