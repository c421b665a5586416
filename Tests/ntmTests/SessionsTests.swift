import Foundation
import NTMModel
import Testing

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// `ntm serve` on a store, and `ntm sessions` without a server.
struct SessionsTests {
  private let folder = try! TemporaryFolder()
  private var store: [String] { ["--store", "sqlite:\(folder.file("sessions.sqlite"))"] }
  private static let step = "{\"step\":1,\"input\":[1,0,1,0,1,0,1,0,0]}"

  /// Sessions of one step each, by a server that is gone.
  private func makeSessions(_ count: Int) async throws -> [String] {
    let server = try Server(store)
    var ids: [String] = []
    for _ in 0..<count {
      let id = try await server.makeSession()
      #expect(try await server.send("POST", "/sessions/\(id)/step", Self.step).status == 200)
      ids.append(id)
    }
    try server.stop()
    return ids
  }

  private func run(_ arguments: String..., store: [String]? = nil) throws -> Executable.Ending {
    try Executable.run(["sessions"] + arguments + (store ?? self.store))
  }

  // MARK: Servers

  @Test func aServerKeepsSessionsBelowItsFolderAndSaysSo() async throws {
    let server = try Server()
    #expect(
      server.process.errors.contains(
        "sessions are kept in .ntm/sessions.sqlite; steps are saved within a second\n"))
    let session = try await server.object("POST", "/sessions", "{\"model\":\"copy\"}")
    #expect(session["keep_alive"] as? Int == 30 * 86_400)
    #expect(
      try await server.send("POST", "/sessions", "{\"model\":\"copy\",\"keep_alive\":\"never\"}")
        .status == 201)
  }

  @Test func inMemoryTheyEndWithTheServer() async throws {
    let server = try Server(["--store", "memory"])
    #expect(
      server.process.errors.contains("sessions are kept in memory and end with the server\n"))
    let session = try await server.object("POST", "/sessions", "{\"model\":\"copy\"}")
    #expect(session["keep_alive"] as? Int == 3600)
  }

  @Test(arguments: ["always", "everysec", "none"])
  func sessionsAreThereAgainAfterAStop(_ durability: String) async throws {
    let arguments = store + ["--durability", durability]
    let first = try Server(arguments)
    let id = try await first.makeSession()
    let reply = try await first.send("POST", "/sessions/\(id)/step", Self.step).body
    try first.stop()
    let second = try Server(arguments)
    #expect(second.process.errors.contains("the store has 1 session\n"))
    #expect(try await second.send("POST", "/sessions/\(id)/step", Self.step).body == reply)
    #expect(try await second.object("GET", "/sessions/\(id)")["step"] as? Int == 1)
  }

  @Test func whatWasAcknowledgedOutlivesAKill() async throws {
    let arguments = store + ["--durability", "always"]
    let first = try Server(arguments)
    let id = try await first.makeSession()
    #expect(try await first.send("POST", "/sessions/\(id)/step", Self.step).status == 200)
    try first.stop(by: SIGKILL)
    let second = try Server(arguments)
    #expect(try await second.object("GET", "/sessions/\(id)")["step"] as? Int == 1)
  }

  @Test func oneServerAtATimeHasAStore() async throws {
    let first = try Server(store)
    _ = try await first.makeSession()
    for arguments in [
      ["serve", "--models", Executable.models, "--port", "0"], ["sessions", "vacuum"],
    ] {
      let second = try Executable.run(arguments + store)
      #expect(second.status != 0)
      #expect(second.errors.contains("\(folder.file("sessions.sqlite")): it is in use by process "))
    }
  }

  @Test func aLinkedStoreHasOneServer() async throws {
    let first = try Server(store)
    let id = try await first.makeSession()
    let file = folder.file("sessions.sqlite")
    let link = folder.file("link.sqlite")
    try FileManager.default.linkItem(atPath: file, toPath: link)
    let serve = ["serve", "--models", Executable.models, "--port", "0", "--store"]
    let second = try Executable.run(serve + ["sqlite:\(link)"])
    #expect(second.status != 0)
    #expect(second.errors.contains("\(link): it is in use by process "), "\(second.errors)")
    #expect(!FileManager.default.fileExists(atPath: "\(link)-wal"))
    // A link that appears while the server runs does not stop it.
    #expect(try await first.send("POST", "/sessions/\(id)/step", Self.step).status == 200)
    try first.stop()
    let third = try Executable.run(serve + ["sqlite:\(file)"])
    #expect(third.status != 0)
    #expect(third.errors.contains("2 names (hard links)"), "\(third.errors)")
    try FileManager.default.removeItem(atPath: link)
    let again = try Server(store)
    #expect(try await again.object("GET", "/sessions/\(id)")["step"] as? Int == 1)
  }

  @Test(arguments: ["sqlite:", "sqlite::memory:", "sqlite:file:x?mode=memory"])
  func aStoreWithoutAFileIsRefused(_ store: String) throws {
    let serve = ["serve", "--models", Executable.models, "--port", "0", "--store", store]
    for arguments in [serve, ["sessions", "list", "--store", store]] {
      let ending = try Executable.run(arguments)
      #expect(ending.status != 0)
      #expect(ending.errors.contains("--store \(store)"), "\(ending.errors)")
    }
  }

  @Test func aRenamedColumnIsNamed() async throws {
    _ = try await makeSessions(1)
    let file = folder.file("sessions.sqlite")
    // The schema is stored as text.
    let bytes = try Data(contentsOf: URL(filePath: file))
    let range = try #require(bytes.range(of: Data("keep_alive REAL".utf8)))
    try bytes.replacing(range, with: "keep_aliXe REAL").write(to: URL(filePath: file))
    let serve = ["serve", "--models", Executable.models, "--port", "0"]
    for arguments in [serve + store, ["sessions", "list"] + store] {
      let ending = try Executable.run(arguments)
      #expect(ending.status == 1)
      #expect(ending.errors.contains("\(file): its schema is changed: table sessions"))
      #expect(ending.errors.contains("keep_aliXe"), "\(ending.errors)")
    }
  }

  // MARK: Without a server

  @Test func listsSessions() async throws {
    let ids = try await makeSessions(3)
    let list = try run("list")
    #expect(list.status == 0)
    let lines = list.output.split(separator: "\n").map {
      $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    }
    #expect(lines.first == ["id", "model", "step", "last_activity", "damaged"])
    #expect(lines.dropFirst().map { Array($0[0...2]) } == ids.map { [$0, "copy", "1"] })
    let objects = try run("list", "--json").output.split(separator: "\n").map {
      try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    #expect(objects.map { $0["id"] as? String } == ids)
    #expect(objects.map { $0["step"] as? Int } == [1, 1, 1])
  }

  @Test func listsBesideARunningServer() async throws {
    let server = try Server(store + ["--durability", "always"])
    let id = try await server.makeSession()
    #expect(try run("list").output.contains(id))
    #expect(try await server.send("POST", "/sessions/\(id)/step", Self.step).status == 200)
    #expect(try run("list").output.contains("\(id)\tcopy\t1\t"))
  }

  @Test func exportsAndImports() async throws {
    let ids = try await makeSessions(3)
    let states = folder.file("states")
    let all = try run("export", "--models", Executable.models, "--to", states)
    #expect(all.status == 0, "\(all.errors)")
    let files = ids.map { "\(states)/\($0).safetensors" }
    #expect(all.output == files.map { "\($0)\n" }.joined())
    let some = try run(
      "export", ids[1], "nobody", "--models", Executable.models, "--to", folder.file("some"))
    #expect(some.status != 0)
    #expect(some.output == "\(folder.file("some"))/\(ids[1]).safetensors\n")
    #expect(some.errors.contains("nobody: there is no session"))

    let other = ["--store", "sqlite:\(folder.file("other.sqlite"))"]
    let strange = folder.file("strange.safetensors")
    try FileManager.default.copyItem(atPath: files[0], toPath: strange)
    let imported = try Executable.run(
      ["sessions", "import", "--models", Executable.models] + other + files + [strange])
    #expect(imported.status == 0, "\(imported.errors)")
    let names = imported.output.split(separator: "\n").map(String.init)
    #expect(Array(names.prefix(3)) == ids)
    #expect(names.count == 4)
    let server = try Server(other)
    for (index, name) in names.enumerated() {
      let state = try await URLSession.shared.data(
        from: try #require(
          URL(string: "http://127.0.0.1:\(server.port)/sessions/\(name)/state"))
      ).0
      #expect(state == FileManager.default.contents(atPath: files[index % 3]), "\(index)")
    }
  }

  @Test func whatCannotBeImportedImportsNothing() async throws {
    let id = try await makeSessions(1)[0]
    let states = folder.file("states")
    _ = try run("export", "--models", Executable.models, "--to", states)
    let good = folder.file("good.safetensors")
    try FileManager.default.copyItem(atPath: "\(states)/\(id).safetensors", toPath: good)
    try folder.write("bad.safetensors", "garbage")
    for (bad, complaint) in [
      ("bad.safetensors", "is not a state"), ("missing.safetensors", "can't be read"),
      ("states/\(id).safetensors", "there is a session \(id) already"),
    ] {
      let ending = try run("import", "--models", Executable.models, good, folder.file(bad))
      #expect(ending.status != 0)
      #expect(ending.errors.contains(folder.file(bad)), "\(ending.errors)")
      #expect(ending.errors.contains(complaint), "\(ending.errors)")
      #expect(try run("list").output.split(separator: "\n").count == 2)
    }
  }

  @Test func givesRoomBack() async throws {
    _ = try await makeSessions(1)
    let ending = try run("vacuum")
    #expect(ending.status == 0)
    #expect(ending.output.firstMatch(of: /^\d+ bytes before, \d+ after\n$/) != nil)
    #expect(try run("list").output.split(separator: "\n").count == 2)
  }

  @Test(arguments: ["list", "export", "vacuum"])
  func aStoreThatIsNoneIsNamed(_ command: String) throws {
    try folder.write("garbage.sqlite", String(repeating: "garbage", count: 1000))
    let garbage = ["--store", "sqlite:\(folder.file("garbage.sqlite"))"]
    let bad = try run(command, store: garbage)
    #expect(bad.status != 0)
    #expect(
      bad.errors.contains("\(folder.file("garbage.sqlite")): this is no database of sessions"))
    let memory = try run(command, store: ["--store", "memory"])
    #expect(memory.status != 0)
    #expect(memory.errors.contains("--store memory has no sessions without its server"))
  }
}

extension Data {
  fileprivate func replacing(_ range: Range<Index>, with text: String) -> Data {
    var copy = self
    copy.replaceSubrange(range, with: Data(text.utf8))
    return copy
  }
}
