import Foundation
import Testing

/// What SIGHUP does to `ntm serve`.
struct ReloadTests {
  /// Sends it and waits until it has been followed.
  private func hangUp(_ server: Server, times: Int = 1) throws {
    let line = "read the folder of models; serving"
    let before = server.process.errors.ranges(of: line).count
    server.process.signal(SIGHUP)
    try server.process.wait(for: "reload") {
      server.process.errors.ranges(of: line).count > before ? () : nil
    }
  }

  private func versions(_ server: Server, _ model: String) async throws -> [String?] {
    let versions = try await server.object("GET", "/models/\(model)")["versions"]
    return try #require(versions as? [[String: Any]]).map { $0["version"] as? String }
  }

  @Test func aHangUpReadsTheFolderAgain() async throws {
    let folder = try TemporaryFolder()
    for name in ["copy", "ngrams", "priority-sort"] { try folder.copyModel(name) }
    let server = try Server(["--models", folder.path, "--allow-model-admin"])
    let session = try await server.makeSession("copy")
    let old = try await versions(server, "copy")

    // Replaced, gone, bad, new.
    func replace(_ name: String, by other: String) throws {
      try FileManager.default.removeItem(atPath: folder.file("\(name).safetensors"))
      try FileManager.default.copyItem(
        atPath: "\(Executable.models)/\(other).safetensors",
        toPath: folder.file("\(name).safetensors"))
    }
    try replace("copy", by: "repeat-copy")
    try FileManager.default.removeItem(atPath: folder.file("ngrams.safetensors"))
    try folder.write("priority-sort.safetensors", "garbage")
    try folder.copyModel("associative-recall")
    try hangUp(server)

    let log = server.process.errors
    let new = try await versions(server, "copy")
    #expect(new.count == 2)
    #expect(new.last == old.first)
    #expect(log.contains("replaced model copy: \(new[0] ?? "") in place of \(old[0] ?? "")\n"))
    #expect(log.contains("loaded model associative-recall, sha256:"))
    #expect(log.contains("unloaded model ngrams\n"))
    #expect(log.contains("refused model priority-sort: the "))
    #expect(
      log.contains(
        "read the folder of models; serving associative-recall, copy, priority-sort\n"))
    let models = try #require(
      try await server.object("GET", "/models")["models"] as? [[String: Any]])
    #expect(
      models.map { $0["name"] as? String } == ["associative-recall", "copy", "priority-sort"])
    // The session goes on with 9 values; a new one has the 10 of the other model.
    let step = try await server.send(
      "POST", "/sessions/\(session)/step", #"{"input":[1,0,1,0,1,0,1,0,0]}"#)
    #expect(step.status == 200)
    let other = try await server.makeSession("copy")
    let refused = try await server.send(
      "POST", "/sessions/\(other)/step", #"{"input":[1,0,1,0,1,0,1,0,0]}"#)
    #expect(refused.status == 422)
    // And once more, which changes nothing.
    try hangUp(server)
    #expect(try await versions(server, "copy") == new)
    #expect(try server.stop().status == 0)
  }

  @Test func aHangUpChangesNothingWhereModelsMayNotBeChanged() async throws {
    let folder = try TemporaryFolder()
    try folder.copyModel()
    let server = try Server(["--models", folder.path])
    try folder.copyModel("ngrams")
    server.process.signal(SIGHUP)
    try server.process.wait(for: "log line") {
      server.process.errors.contains(
        "SIGHUP changes nothing: the server was started without --allow-model-admin") ? () : nil
    }
    #expect(try await server.send("GET", "/models/copy").status == 200)
    #expect(try await server.send("GET", "/models/ngrams").status == 404)
    #expect(try await server.send("POST", "/models/ngrams/load").status == 403)
    let ending = try server.stop()
    #expect(ending.status == 0)
    #expect(ending.errors.contains("stopping: SIGTERM\n"))
  }

  /// However many come, none is lost for good, and a request to stop is not lost among them.
  @Test func manyHangUpsDoNotKeepItFromStopping() async throws {
    let server = try Server(["--allow-model-admin"])
    for _ in 0..<1000 { server.process.signal(SIGHUP) }
    try hangUp(server)
    for _ in 0..<1000 { server.process.signal(SIGHUP) }
    let ending = try server.stop()
    #expect(ending.status == 0)
    #expect(ending.errors.contains("stopping: SIGTERM\n"))
    #expect(ending.errors.contains("stopped\n"))
  }

  @Test func requestsChangeModelsWhereThatIsAllowed() async throws {
    let folder = try TemporaryFolder()
    try folder.copyModel()
    let server = try Server(
      ["--models", folder.path], environment: ["NTM_ALLOW_MODEL_ADMIN": "true"])
    try folder.copyModel("ngrams")
    #expect(try await server.send("POST", "/models/ngrams/load").status == 200)
    #expect(try await server.send("POST", "/models/copy/unload").status == 200)
    try folder.write("ngrams.safetensors", "garbage")
    #expect(try await server.send("POST", "/models/ngrams/load").status == 422)
    #expect(try await server.object("POST", "/sessions")["model"] as? String == "ngrams")
    let errors = try server.stop().errors
    #expect(errors.contains("loaded model ngrams, sha256:"))
    #expect(errors.contains("unloaded model copy\n"))
    #expect(errors.contains("refused model ngrams: "))
  }

  /// A session of it could never be made.
  @Test func aModelThatIsTooLargeKeepsItFromStarting() throws {
    let ending = try Executable.run(
      ["serve", "--models", Executable.models, "--port", "0", "--max-session-bytes", "1k"])
    #expect(ending.status != 0)
    #expect(ending.errors.contains("more than the 1024 of --max-session-bytes"))
  }
}
