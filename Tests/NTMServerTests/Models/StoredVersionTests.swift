import Testing

@testable import NTMServer

/// Model versions whose sessions are in the store only.
struct StoredVersionTests {
  private static let first = ServedModel.mixedVersion(1)
  private static let second = ServedModel.mixedVersion(2)
  private let folder = try! StoreFolder()
  private let memory = MemorySessionStore(outlivesProcess: true)

  private struct Weak: Sendable {
    weak let model: ServedModel?
  }

  private func store(_ kind: SessionStoreTests.Kind) throws -> any SessionStore {
    kind == .memory ? memory : try SQLiteSessionStore(path: folder.file)
  }

  /// A server with room in memory for a number of states.
  private func serve(
    _ pool: ModelPool, _ store: any SessionStore, room: Int,
    _ configure: (inout ServiceOptions) -> Void = { _ in },
    _ body: (SocketClient) throws -> Void
  ) async throws {
    let options = ServiceOptions.testing {
      $0.allowModelAdmin = true
      $0.maxSessionBytes = room * Self.first.stateBytes
      configure(&$0)
    }
    try await withLiveService(pool, options, store) { port in
      try body(try SocketClient(port: port))
    }
  }

  /// Version, sessions and whether it is current, of each version.
  private func versions(_ client: SocketClient, _ name: String = "m") throws -> [String] {
    let model = try client.exchange("GET", "/models/\(name)").object()
    return try #require(model["versions"] as? [[String: Any]]).map {
      "\($0["version"] ?? "") \($0["sessions"] ?? "") \($0["current"] as? Bool == true)"
    }
  }

  private func step(_ client: SocketClient, _ id: String) throws -> Response {
    try client.post("/sessions/\(id)/step", .step([1, 0, 1]))
  }

  @Test(arguments: SessionStoreTests.Kind.allCases)
  func aReplacedVersionStaysLoadedForItsStoredSessions(
    _ kind: SessionStoreTests.Kind
  ) async throws {
    let models = try TemporaryModels(["m": Self.first])
    let pool = try models.pool()
    let old = Weak(model: pool["m"])
    try await serve(pool, store(kind), room: 3) { client throws in
      var ids = try (0..<10).map { _ in try client.makeSession("m") }
      for id in ids { #expect(try step(client, id).status == 200) }
      #expect(try versions(client) == ["\(Self.first.version) 10 true"])
      try models.put(Self.second, as: "m")
      #expect(try client.post("/models/m/load").status == 200)
      #expect(
        try versions(client) == ["\(Self.second.version) 0 true", "\(Self.first.version) 10 false"])
      for round in 2...3 {
        for id in ids { #expect(try step(client, id).decoded(StepResult.self).step == round) }
      }
      // Forks, states and damage change the counts of this version only.
      let fork = try client.post("/sessions/\(ids[0])/fork").object()
      ids.append(try #require(fork["id"] as? String))
      let state = try client.exchange("GET", "/sessions/\(ids[1])/state").body
      #expect(
        try client.exchange("PUT", "/sessions/\(ids[2])/state", body: state).status == 200)
      let new = try client.makeSession("m")
      #expect(
        try versions(client) == ["\(Self.second.version) 1 true", "\(Self.first.version) 11 false"])
      #expect(try client.post("/models/m/unload").status == 200)
      #expect(try step(client, new).status == 200)
      for (index, id) in ids.enumerated() {
        #expect(old.model != nil)
        #expect(try step(client, id).status == 200)
        #expect(try client.exchange("DELETE", "/sessions/\(id)").status == 204)
        let unloaded = try client.exchange("GET", "/models/m")
        try expectProblem(
          unloaded, 404, "no-such-model", fields: ["sessions": .number(ids.count - index)])
      }
    }
    // The thread that saved the last end may still hold the model for a moment.
    #expect(waitUntil { old.model == nil })
  }

  @Test(arguments: SessionStoreTests.Kind.allCases)
  func countsHoldAfterARestart(_ kind: SessionStoreTests.Kind) async throws {
    let models = try TemporaryModels(["m": Self.first])
    let name = "m"
    var ids: [String] = []
    try await serve(try models.pool(), store(kind), room: 3) { client throws in
      ids = try (0..<6).map { _ in try client.makeSession(name) }
      for id in ids { #expect(try step(client, id).status == 200) }
    }
    let pool = try models.pool()
    let old = Weak(model: pool["m"])
    try await serve(pool, store(kind), room: 3) { client throws in
      #expect(try versions(client) == ["\(Self.first.version) 6 true"])
      try models.put(Self.second, as: name)
      #expect(try client.post("/models/m/load").status == 200)
      // No request of this server has used them before.
      for id in ids { #expect(try step(client, id).status == 200) }
      #expect(
        try versions(client) == ["\(Self.second.version) 0 true", "\(Self.first.version) 6 false"])
      #expect(old.model != nil)
    }
    // Without a file that has the digest they wait for one.
    try await serve(try models.pool(), store(kind), room: 3) { client throws in
      try expectProblem(
        try step(client, ids[0]), 503, "model-not-served",
        fields: ["expected": .text(Self.first.version)])
      #expect(try versions(client) == ["\(Self.second.version) 0 true"])
      #expect(try client.exchange("DELETE", "/sessions/\(ids.removeLast())").status == 204)
      // Under whatever name.
      try models.put(Self.first, as: "archived")
      #expect(try client.post("/models/archived/load").status == 200)
      #expect(try versions(client, "archived") == ["\(Self.first.version) 5 true"])
      try models.remove("archived")
      #expect(try client.post("/models/archived/unload").status == 200)
      for id in ids { #expect(try step(client, id).status == 200) }
      for id in ids {
        #expect(try client.exchange("DELETE", "/sessions/\(id)").status == 204)
      }
      try expectProblem(
        try client.exchange("GET", "/models/archived"), 404, "no-such-model")
      #expect(
        try !client.exchange("GET", "/models/archived").text.contains("\"sessions\""))
    }
  }

  /// Expiry in the store, and a damaged session that is deleted, count once.
  @Test func sessionsThatEndInTheStoreAreNotCounted() async throws {
    let time = TestClock()
    let models = try TemporaryModels(["m": Self.first])
    let pool = try models.pool()
    try memory.acquireLease()
    let journal = Journal(memory, .always, .silent, clock: time.clock)
    let table = SessionTable(
      limits: .init(timeToLive: 10, sessions: 100, bytes: 2 * Self.first.stateBytes),
      journal: journal, modelOf: { pool.model(of: $0) })
    try journal.start()
    defer { journal.stop(Journal.Final(sessions: [], replies: []), patience: .max / 2) }
    let model = try #require(pool["m"])
    let ids = try (0..<8).map { index in
      try table.make(model, keepAlive: index < 4 ? 10 : nil, mayWait: true).id
    }
    #expect(table.modelUses.map(\.sessions) == [8])
    #expect(table.inMemoryCount <= 2)
    _ = journal.waitForCommit()
    time.pass(seconds: 11)
    table.expire()
    #expect(table.modelUses.map(\.sessions) == [4])
    #expect(table.count == 4)
    table.expire()
    let movedOut = try #require(ids[4...].first { table.directory[$0] == nil })
    let record = try #require(memory.record(id: movedOut))
    table.quarantine(record, "as a test")
    #expect(table.modelUses.map(\.sessions) == [4])
    guard case .record(let damaged) = try table.look(for: movedOut) else {
      return #expect(Bool(false))
    }
    table.discard(damaged, SessionEnding(reason: .deleted, at: .now))
    #expect(table.modelUses.map(\.sessions) == [3])
    for id in ids[4...] where id != movedOut { _ = try table.find(id).delete() }
    #expect(table.modelUses.isEmpty)
    #expect(table.count == 0)
  }
}
