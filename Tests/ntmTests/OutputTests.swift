import Foundation
import NTMModel
import Testing

/// Files and standard output that commands write, where they are something unusual.
struct OutputTests {
  private static let model = "\(Executable.models)/copy.safetensors"
  private static let weights = "\(InspectTests.fixtures)/head_copy_seed10.safetensors"

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: folder.file(name), withDestinationPath: target)
  }

  private func isLink(_ name: String) -> Bool {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: folder.file(name))) != nil
  }

  // MARK: Files

  @Test func theFileBehindALinkIsReplaced() throws {
    for (name, command) in [
      ("plot.svg", ["plot", Self.model]), ("import", ["import", Self.weights, "--force"]),
      ("train.safetensors", ["train", "copy", "--force", "--sequences", "8"] + TrainTests.tiny),
    ] {
      try folder.write("real-\(name)", "old")
      try link(name, to: "real-\(name)")
      let ending = try Executable.run(command + ["--output", folder.file(name)])
      #expect(ending.status == 0, "\(ending.errors)")
      #expect(isLink(name))
      #expect(folder.read("real-\(name)").utf8.count > 100)
    }
  }

  @Test(arguments: [["plot", model], ["import", weights]])
  func aPipeAndADeviceAreWrittenTo(_ command: [String]) throws {
    let got = folder.file("got")
    let ending = try Executable.run(
      command + ["--output", folder.file("pipe")],
      shell: #"mkfifo "\#(folder.file("pipe"))" && cat "\#(folder.file("pipe"))" >"\#(got)" & "#
        + #"until [ -p "\#(folder.file("pipe"))" ]; do :; done; "$0" "$@"; code=$?; wait; exit $code"#
    )
    #expect(ending.status == 0, "\(ending.errors)")
    #expect(try FileManager.default.attributesOfItem(atPath: got)[.size] as? Int ?? 0 > 1000)
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.file("pipe"))
    #expect(attributes[.type] as? FileAttributeType != .typeRegular)
    try link("null", to: "/dev/null")
    #expect(try Executable.run(command + ["--output", folder.file("null")]).status == 0)
    #expect(isLink("null"))
  }

  @Test(arguments: [["plot", model], ["import", weights]])
  func standardOutputGetsTheFileAlone(_ command: [String]) throws {
    let name = folder.file("file")
    #expect(try Executable.run(command + ["--output", name]).status == 0)
    let appended = folder.file("appended")
    let ending = try Executable.run(
      command + ["--output", "/dev/stdout"],
      shell: #"{ echo first; "$0" "$@"; } >>"\#(appended)""#)
    #expect(ending.status == 0, "\(ending.errors)")
    let data = try #require(FileManager.default.contents(atPath: appended))
    #expect(Array(data.prefix(6)) == Array("first\n".utf8))
    #expect(data.dropFirst(6).elementsEqual(FileManager.default.contents(atPath: name) ?? Data()))
  }

  @Test func aRunIsNotWrittenToADevice() throws {
    for name in ["model.safetensors", "model.csv"] {
      try link(name, to: "/dev/null")
      let ending = try Executable.run(
        ["train", "copy", "--force", "--output", folder.file("model.safetensors")])
      #expect(ending.status != 0)
      #expect(ending.errors.contains("\(name) can't be written: it is not a regular file"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [name])
      try FileManager.default.removeItem(atPath: folder.file(name))
    }
  }

  @Test func inputsAreNotReplaced() throws {
    let task = #"{"input":[[1],[0]],"target":[[0],[1]]}"#
    try folder.write("own.csv", task)
    try folder.copyModel()
    let (own, model) = (folder.file("own.csv"), folder.file("copy.safetensors"))
    for command in [
      // The record of the run is own.csv.
      ["train", "--task", own, "--output", folder.file("own.safetensors"), "--force"],
      ["train", "--task", own, "--output", own, "--force"],
      ["plot", model, "--output", model], ["plot", model, "--task", own, "--output", own],
      ["import", model, "--output", model, "--force"],
    ] {
      let ending = try Executable.run(command)
      #expect(ending.status != 0)
      #expect(ending.errors.contains("it is the same file as the input"), "\(ending.errors)")
    }
    #expect(folder.read("own.csv") == task)
    #expect(try Data(contentsOf: URL(filePath: model)).count > 1000)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        == ["copy.safetensors", "own.csv"])
  }

  @Test func exportedSessionsFollowLinks() async throws {
    let store = ["--store", "sqlite:\(folder.file("s"))"]
    let server = try Server(store)
    let id = try await server.makeSession()
    try server.stop()
    try folder.write("real", "old")
    try link("\(id).safetensors", to: "real")
    let ending = try Executable.run(
      ["sessions", "export", "--models", Executable.models, "--to", folder.path] + store)
    #expect(ending.status == 0, "\(ending.errors)")
    #expect(isLink("\(id).safetensors"))
    #expect(folder.read("real").utf8.count > 1000)
  }

  // MARK: A limit on the size of files

  /// Bytes of the files that a tiny run has at its end.
  private func finishedRun() throws -> [String: Int] {
    let other = try TemporaryFolder()
    let ending = try Executable.run(
      ["train", "copy", "--sequences", "400", "--output", other.file("model.safetensors")]
        + TrainTests.tiny)
    #expect(ending.status == 0)
    let names = try FileManager.default.contentsOfDirectory(atPath: other.path)
    return try Dictionary(
      uniqueKeysWithValues: names.map {
        ($0, try Data(contentsOf: URL(filePath: other.file($0))).count)
      })
  }

  @Test func aRunGoesOnWhereACheckpointCannotBeWritten() throws {
    // The first checkpoint has no best parameters, so that it is about half as large as the last.
    let limit = try #require(try finishedRun()["model.checkpoint"]) * 3 / 4 / 512
    let arguments = ["train", "copy", "--sequences", "400"] + TrainTests.tiny
    let ending = try Executable.run(
      arguments + ["--output", folder.file("model.safetensors")],
      shell: #"ulimit -f \#(limit); exec "$0" "$@""#)
    #expect(ending.status == 1)
    let reason = "\(folder.file("model.checkpoint")) can't be written: File too large"
    #expect(ending.errors.contains("warning: \(reason); the run goes on\n"), "\(ending.errors)")
    #expect(
      ending.errors.hasSuffix(
        "Error: \(reason). Go on from the last checkpoint with: ntm train --resume --output "
          + "\(folder.file("model.safetensors"))\n"), "\(ending.errors)")
    #expect(ending.errors.contains("400/400 sequences"))
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        == ["model.checkpoint", "model.csv", "model.safetensors", "model.svg"])
    // The model is the last one, and the first checkpoint is whole.
    #expect(try ModelFile.load(folder.file("model.safetensors")).description.training != nil)
    let resumed = try Executable.run(
      ["train", "--resume", "--output", folder.file("model.safetensors")])
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(resumed.output.contains(": 400 sequences in "))
  }

  @Test func aRunThatCannotBeWrittenDoesNotBegin() throws {
    let ending = try Executable.run(
      ["train", "copy", "--output", folder.file("model.safetensors")] + TrainTests.tiny,
      shell: #"ulimit -f 2; exec "$0" "$@""#)
    #expect(ending.status == 1)
    #expect(ending.errors.contains("model.checkpoint can't be written: File too large"))
    #expect(!ending.errors.contains("sequences"))
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(!names.contains { $0.hasSuffix(".tmp") || $0 == "model.checkpoint" })
  }

  /// SQLite's log may not grow beyond the limit, but its pages fit into the database.
  @Test func aLogAtTheLimitIsMovedToTheDatabase() async throws {
    let server = try Server(
      ["--store", "sqlite:\(folder.file("s"))", "--durability", "always"],
      shell: #"ulimit -f 1024; exec "$0" "$@""#)
    let id = try await server.makeSession()
    for step in 1...200 {
      let reply = try await server.send(
        "POST", "/sessions/\(id)/step", #"{"input":[0,0,0,0,0,0,0,0,1],"return":[]}"#)
      try #require(reply.status == 200, "step \(step)")
    }
    server.process.signal(SIGTERM)
    #expect(try server.process.waitForEnd().status == 0)
  }

  @Test func aServerSurvivesTheLimit() async throws {
    let server = try Server(
      ["--store", "sqlite:\(folder.file("s"))", "--durability", "always"],
      shell: #"ulimit -f 200; exec "$0" "$@""#)
    var status = 201
    for _ in 0..<1000 where status == 201 {
      status = try await server.send("POST", "/sessions", #"{"model":"copy"}"#).status
    }
    #expect(status == 503)
    #expect(
      server.process.errors.contains("the files of this process can have 102400 bytes at most"),
      "\(server.process.errors)")
    #expect(try await server.send("GET", "/livez").status == 200)
    let stream = String(repeating: "[0,0,0,0,0,0,0,0,0]\n", count: 10_000)
    #expect(try await server.send("POST", "/sessions", stream).status >= 400)
    #expect(try await server.send("GET", "/livez").status == 200)
    server.process.signal(SIGTERM)
    // The signal is not what ended it.
    #expect(try server.process.waitForEnd().status == 0)
  }

  // MARK: Standard output

  private static let commands: [[String]] = [
    ["--help"], ["--version"], ["help", "serve"], ["inspect", model], ["inspect", weights],
    ["run", model], ["eval", model, "--sequences", "1"],
    ["eval", model, "--sequences", "1", "--json"], ["plot", model, "--output", "-"],
    ["plot", model, "--output", "/dev/stdout"], ["import", weights, "--output", "/dev/stdout"],
    ["import", weights, "--output", "m"], ["health", "--port", "1"],
  ]

  private func run(_ command: [String], to output: String) throws -> Executable.Ending {
    try Executable.run(
      command, input: "[0,0,0,0,0,0,0,0,0]", shell: #"exec "$0" "$@" \#(output)"#)
  }

  #if os(Linux)
    @Test(arguments: commands)
    func aFullDiskIsReported(_ command: [String]) throws {
      let ending = try run(command, to: ">/dev/full")
      #expect(ending.status == 1)
      #expect(ending.errors.contains("can't be written: No space left on device"))
    }

    @Test(arguments: ["list", "export"])
    func aFullDiskIsReportedBySessions(_ command: String) async throws {
      let store = ["--store", "sqlite:\(folder.file("s"))"]
      let server = try Server(store)
      _ = try await server.makeSession()
      try server.stop()
      let models = command == "export" ? ["--models", Executable.models] : []
      let ending = try run(["sessions", command] + models + store, to: ">/dev/full")
      #expect(ending.status == 1)
      #expect(ending.errors.contains("standard output can't be written: No space left on device"))
    }
  #endif

  @Test(arguments: commands)
  func aClosedOutputIsReported(_ command: [String]) throws {
    let ending = try run(command, to: ">&-")
    #expect(ending.status == 1)
    #expect(ending.errors.contains("can't be written: Bad file descriptor"), "\(ending.errors)")
  }

  /// With the signal of a broken pipe, and where it is ignored.
  @Test(arguments: ["", "trap '' PIPE;"])
  func aReaderThatHasGoneEndsACommandQuietly(_ trap: String) throws {
    let pipe = folder.file("pipe")
    let ending = try Executable.run(
      ["inspect", Self.model],
      shell: #"\#(trap) mkfifo "\#(pipe)"; exec 3<>"\#(pipe)" 4>"\#(pipe)" 3>&-; "$0" "$@" >&4; "#
        + "exit $?")
    #expect(ending.status == 141)
    #expect(ending.errors.isEmpty)
  }

  @Test func aClosedInputIsReported() throws {
    let ending = try Executable.run(["run", Self.model], shell: #"exec "$0" "$@" <&-"#)
    #expect(ending.status == 1)
    #expect(ending.errors.contains("standard input can't be read: "))
  }
}
