import Foundation
import Testing

@testable import ntm

/// Arguments, and their sources.
struct ArgumentTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  // MARK: Bytes that are not UTF-8

  @Test(arguments: [
    "inspect", "run", "eval", "plot", "train copy --output", "train --task",
    "import --output m", "serve --models", "serve --api-key-file", "serve --store", "health --host",
    "sessions list --store", "sessions import",
  ])
  func anArgumentThatIsNotUTF8IsRefused(_ command: String) throws {
    let ending = try Executable.run(
      [], shell: #"cd "\#(folder.path)" && exec "$0" \#(command) "$(printf 'd\344ta/s')""#)
    #expect(ending.status == 64)
    #expect(
      ending.errors.contains(#", "d\xe4ta/s", is not UTF-8; only UTF-8 is accepted"#),
      "\(ending.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test(arguments: ["NTM_MODELS", "NTM_STORE", "NTM_API_KEY_FILE", "TMPDIR"])
  func aVariableThatIsNotUTF8IsRefused(_ name: String) throws {
    let ending = try Executable.run(
      [],
      shell: #"cd "\#(folder.path)" && \#(name)="$(printf 'd\344ta')" && export \#(name) && "#
        + #"exec "$0" serve --port 0"#)
    #expect(ending.status == 64)
    #expect(ending.errors.contains(#"\#(name) is "d\xe4ta", which is not UTF-8"#))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test func aVariableThatIsNotUsedMayBeAnything() throws {
    let value = ["MODELS": [UInt8(0xE4)], "NTM_MODELS": [0xE4], "HOME": [0xE4]]
    let environment = Environment(variables: [:], unreadable: value)
    #expect(try environment.completing(["inspect", "x"]) == ["inspect", "x"])
    #expect(try environment.completing(["serve", "--models", "x"]) == ["serve", "--models", "x"])
    #expect(throws: (any Error).self) { try environment.completing(["serve"]) }
  }

  /// Such a folder is used as it is, or refused. No other folder appears.
  #if os(Linux)
    @Test func theWorkingFolderMayHaveAnyName() throws {
      let enter =
        #"cd "\#(folder.path)" && mkdir -p "$(printf 'd\344ta')" && cd "$(printf 'd\344ta')" && "#
      let model = "\(Executable.models)/copy.safetensors"
      let plot = try Executable.run(
        ["plot", model], shell: enter + #""$0" "$@" && test -s copy-sequence.svg"#)
      #expect(plot.status == 0, "\(plot.errors)")
      let train = try Executable.run(
        ["train", "copy", "--sequences", "8"] + TrainTests.tiny,
        shell: enter + #""$0" "$@" && test -s copy.checkpoint"#)
      #expect(train.status == 0, "\(train.errors)")
      for command in [
        ["serve", "--port", "0", "--models", Executable.models], ["sessions", "vacuum"],
      ] {
        let ending = try Executable.run(command, shell: enter + #"exec "$0" "$@""#)
        #expect(ending.status == 1)
        #expect(ending.errors.contains(#"d\xe4ta", which is not UTF-8"#), "\(ending.errors)")
      }
      let names = try Executable.run([], shell: #"ls -b "\#(folder.path)""#)
      #expect(names.output == "d\\344ta\n")
    }
  #endif

  @Test func anEmptyListIsAnError() throws {
    let output = folder.file("output")
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 2, output, O_WRONLY | O_CREAT, 0o600)
    var id = pid_t()
    var none: UnsafeMutablePointer<CChar>?
    try #require(posix_spawn(&id, Executable.path, &actions, nil, &none, &none) == 0)
    var status: Int32 = 0
    try #require(waitpid(id, &status, 0) == id)
    #expect(status == 1 << 8)
    #expect(folder.read("output").contains("an empty list of arguments"))
  }

  @Test func argumentsArriveAsTheyWereGiven() throws {
    let ending = try Executable.run(["inspect", "ü €\u{301}\n'"])
    #expect(ending.status == 1)
    #expect(ending.errors.contains("ü €\u{301}\n': there is no such file"))
  }

  // MARK: Hosts

  @Test(arguments: [
    (text: "127.0.0.1", host: "127.0.0.1"), (text: "::1", host: "::1"),
    (text: "[::1]", host: "::1"),
    (text: "[fe80::1%eth0]", host: "fe80::1%eth0"), (text: "localhost", host: "localhost"),
  ])
  func anIPv6AddressMayHaveBrackets(_ text: String, _ host: String) throws {
    #expect(try ListenHost.parse(text) == host)
  }

  @Test(arguments: ["[::1", "[::1]:8080", "[localhost]", "[127.0.0.1]", "[]", "[[::1]]"])
  func bracketsAroundSomethingElseAreRefused(_ text: String) {
    #expect(throws: (any Error).self) { try ListenHost.parse(text) }
  }

  // MARK: Without /proc

  #if os(Linux)
    private static let withoutProc =
      #"exec unshare \#(geteuid() == 0 ? "-m" : "-rm") "#
      + #"sh -c 'mount -t tmpfs none /proc && exec "$0" "$@"' "$0" "$@""#

    private static let canHideProc: Bool = {
      let ending = try? Executable.run(
        ["--version"],
        shell: withoutProc.replacing(
          #"exec "$0""#, with: ": "))
      let can = ending?.status == 0
      if !can { print("skipped: commands without /proc, which only a mount namespace can hide") }
      return can
    }()

    @Test(
      .enabled(if: canHideProc),
      arguments: [
        (arguments: ["inspect", "no-such-file"], status: 1 as Int32, message: "no-such-file: "),
        (
          arguments: ["health", "--port", "1"], status: 1,
          message: "no answer from 127.0.0.1 port 1"
        ),
        (arguments: ["serve", "--port", "x"], status: 64, message: "'x'"),
        (arguments: ["frobnicate"], status: 64, message: "'frobnicate'"),
      ])
    func argumentsDoNotNeedProc(
      _ arguments: [String], _ status: Int32, _ message: String
    ) throws {
      let ending = try Executable.run(arguments, shell: Self.withoutProc)
      #expect(ending.status == status)
      #expect((ending.output + ending.errors).contains(message))
    }

    @Test(.enabled(if: canHideProc))
    func aServerDoesNotNeedProc() async throws {
      let server = try Server(["--store", "memory"], shell: Self.withoutProc)
      let id = try await server.makeSession()
      let input = #"{"input":[0,0,0,0,0,0,0,0,0]}"#
      #expect(try await server.send("POST", "/sessions/\(id)/step", input).status == 200)
      let metrics = try await server.send("GET", "/metrics")
      #expect(metrics.status == 200)
      #expect(metrics.body.contains("process_cpu_seconds_total"))
      #expect(!metrics.body.contains("process_open_fds"))
      let health = ["health", "--port", "\(server.port)"]
      #expect(try Executable.run(health, shell: Self.withoutProc).output == "alive\n")
      #expect(try server.stop().status == 0)
    }
  #endif
}
