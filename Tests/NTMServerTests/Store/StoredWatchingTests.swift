import Testing

@testable import NTMServer

/// Watching sessions whose state is in the store only.
struct StoredWatchingTests {
  private let store = MemorySessionStore(outlivesProcess: true)
  private let input = ServedModel.copy.inputs(1)[0]

  private func serve(
    _ options: ServiceOptions = .testing(), _ store: (any SessionStore)? = nil,
    _ body: (SocketClient, Int) throws -> Void
  ) async throws {
    try await withLiveService(.copy, options, store ?? self.store) { port in
      try body(try SocketClient(port: port), port)
    }
  }

  private func makeSession(steps: Int, keepAlive: Double? = nil) async throws -> String {
    var id = ""
    try await serve { client, _ in
      let body = keepAlive.map { #"{"keep_alive":\#($0)}"# } ?? ""
      id = try #require(try client.post("/sessions", body).object()["id"] as? String)
      for _ in 0..<steps { _ = try client.step(id, input) }
    }
    return id
  }

  @Test func aWatcherAfterARestartSeesEveryStep() async throws {
    let id = try await makeSession(steps: 1)
    try await serve { client, port in
      let watcher = try EventReader(port: port, "/sessions/\(id)/events")
      let greeting = try #require(try watcher.next())
      #expect(greeting.name == "session" && greeting.step == 1 && greeting.id?.step == 1)
      for step in 2...4 {
        _ = try client.step(id, input)
        #expect(try watcher.next()?.step == step)
      }
      // It has not been stepped, so there is nothing in memory beside the watcher.
      #expect(try client.exchange("DELETE", "/sessions/\(id)").status == 204)
      #expect(try watcher.rest().map(\.name) == ["end"])
    }
  }

  @Test func aWatchedSessionThatIsNotInMemoryCanBeDeleted() async throws {
    let id = try await makeSession(steps: 1)
    try await serve { client, port in
      let watcher = try EventReader(port: port, "/sessions/\(id)/events")
      _ = try watcher.next()
      #expect(try client.exchange("DELETE", "/sessions/\(id)").status == 204)
      #expect(try watcher.rest().map(\.name) == ["end"])
      #expect(try client.exchange("GET", "/sessions/\(id)").status == 404)
    }
    #expect(store.page(after: 0, limit: 9).isEmpty)
  }

  @Test func aWatchedSessionThatIsNotInMemoryExpires() async throws {
    let id = try await makeSession(steps: 1, keepAlive: 0.5)
    // The reaper looks ten times in this time.
    try await serve(.testing { $0.sessionTimeToLive = 1 }) { _, port in
      let watcher = try EventReader(port: port, "/sessions/\(id)/events")
      _ = try watcher.next()
      let events = try watcher.rest()
      #expect(events.map(\.name) == ["end"])
      #expect(try events[0].object()["reason"] as? String == "expired")
    }
    #expect(store.page(after: 0, limit: 9).isEmpty)
  }

  @Test func aDamagedSessionLosesItsWatchers() async throws {
    let id = try await makeSession(steps: 1)
    let failing = FailingStore(store)
    try await serve(.testing(), failing) { client, port in
      let watcher = try EventReader(port: port, "/sessions/\(id)/events")
      _ = try watcher.next()
      failing.fail(reading: StoreError(.damaged, "its page is damaged"))
      let refused = try client.post("/sessions/\(id)/step", .step(input))
      try expectProblem(refused, 500, "damaged-session")
      #expect(try watcher.next() == nil)
      failing.fail()
      let next = try client.exchange("GET", "/sessions/\(id)/events")
      try expectProblem(next, 500, "damaged-session")
      #expect(try client.exchange("DELETE", "/sessions/\(id)").status == 204)
      #expect(try client.exchange("GET", "/sessions/\(id)").status == 404)
    }
  }

  @Test func aDamagedSessionCanBeDeletedWhileSomebodyHasIt() async throws {
    let id = try await makeSession(steps: 1)
    let journal = Journal(store, .always, .silent)
    try journal.start()
    defer { journal.stop(Journal.Final(sessions: [], replies: []), patience: .max / 2) }
    let table = SessionTable(
      limits: .init(.testing()), journal: journal,
      summary: store.summary(), modelOf: { _ in .copy })
    let session = try table.find(id)
    table.quarantine(session.record, "as a test")
    guard case .record(let record) = try table.look(for: id) else {
      Issue.record("a damaged session is used")
      return
    }
    table.discard(record, SessionEnding(reason: .deleted, at: .now))
    #expect(waitUntil { store.page(after: 0, limit: 9).isEmpty })
    #expect(throws: Problem.self) { _ = try table.look(for: id) }
    withExtendedLifetime(session) {}
  }

  // MARK: Resumption

  /// Reads the ids of a session's first steps.
  private func watchedSession(steps: Int) async throws -> (id: String, ids: [EventID]) {
    var (id, ids) = ("", [EventID]())
    try await serve { client, port in
      id = try client.makeSession()
      let watcher = try EventReader(port: port, "/sessions/\(id)/events?return=")
      ids.append(try #require(try watcher.next()?.id))
      for _ in 0..<steps {
        _ = try client.step(id, input)
        ids.append(try #require(try watcher.next()?.id))
      }
    }
    return (id, ids)
  }

  private func resume(
    _ id: String, after known: String, at port: Int
  ) throws -> (greeting: EventReader.Event, watcher: EventReader) {
    let watcher = try EventReader(
      port: port, "/sessions/\(id)/events?return=", headers: [("Last-Event-ID", known)])
    return (try #require(try watcher.next()), watcher)
  }

  @Test func stepsOfAnotherEpochAreSentOrCounted() async throws {
    let (id, ids) = try await watchedSession(steps: 5)
    try await serve { client, port in
      _ = try client.step(id, input)
      // Keeps the history from here on.
      let other = try EventReader(port: port, "/sessions/\(id)/events?return=")
      #expect(try other.next()?.step == 6)
      for _ in 0..<9 { _ = try client.step(id, input) }
      for (known, missed) in [(ids[5], 1), (ids[3], 3), (ids[0], 6)] {
        let (greeting, watcher) = try resume(id, after: "\(known)", at: port)
        #expect(greeting.id == nil)
        #expect(try watcher.next()?.data == #"{"missed":\#(missed)}"#)
        #expect(try watcher.next(9).map(\.step) == (7...15).map { $0 })
      }
      // The id of a server without epochs: no step is skipped in silence.
      let (_, watcher) = try resume(id, after: "5", at: port)
      #expect(try watcher.next()?.data == #"{"missed":6}"#)
      #expect(try watcher.next(9).map(\.step) == (7...15).map { $0 })
    }
  }

  @Test func aClientThatMissedNothingGetsNoMissed() async throws {
    let (id, ids) = try await watchedSession(steps: 3)
    try await serve { client, port in
      let (greeting, watcher) = try resume(id, after: "\(ids[3])", at: port)
      #expect(greeting.step == 3 && greeting.id == nil)
      _ = try client.step(id, input)
      let event = try #require(try watcher.next())
      #expect(event.name == "step" && event.step == 4)
      #expect(event.id?.epoch != ids[3].epoch)
    }
  }

  @Test func aSessionThatWentBackIsGreetedAnew() async throws {
    let (id, ids) = try await watchedSession(steps: 5)
    try await serve { client, _ in
      #expect(try client.post("/sessions/\(id)/reset").status == 200)
      _ = try client.step(id, input)
    }
    try await serve { client, port in
      _ = try client.step(id, input)
      let (greeting, watcher) = try resume(id, after: "\(ids[5])", at: port)
      #expect(greeting.step == 2 && greeting.id?.step == 2)
      // The step of this server, and the reset at least.
      #expect(try watcher.next()?.data == #"{"missed":2}"#)
      _ = try client.step(id, input)
      #expect(try watcher.next()?.step == 3)
    }
  }
}
