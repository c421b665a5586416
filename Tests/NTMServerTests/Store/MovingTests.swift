import NTMModel
import Testing

@testable import NTMServer

/// More sessions than there is room for in memory.
struct MovingTests {
  private static let model = ServedModel.mixed
  private let pool = try! ModelPool([model])

  private func options(room: Int, _ durability: Durability = .always) -> ServiceOptions {
    .testing {
      $0.durability = durability
      // The replies that sessions keep count, too.
      $0.maxSessionBytes = room * Self.model.stateBytes
    }
  }

  @Test(arguments: Durability.allCases)
  func sessionsComeAndGo(_ durability: Durability) async throws {
    let store = MemorySessionStore(outlivesProcess: true)
    let inputs = Self.model.inputs(20)
    try await withLiveService(pool, options(room: 4, durability), store) { port throws in
      let client = try SocketClient(port: port)
      var generator = SplitMix(seed: 1)
      var sessions: [(id: String, direct: DirectSession)] = []
      for _ in 0..<20 {
        var made = try client.post("/sessions")
        // With `everysec` and `none` those in memory may have to be saved first.
        while made.status == 503 {
          pause(milliseconds: 20)
          made = try client.post("/sessions")
        }
        sessions.append(
          (try #require(try made.object()["id"] as? String), try DirectSession(Self.model)))
      }
      for _ in 0..<300 {
        let session = sessions.randomElement(using: &generator)!
        let input = inputs.randomElement(using: &generator)!
        var reply = try client.post("/sessions/\(session.id)/step", .step(input))
        while reply.status == 503 {
          try expectProblem(reply, 503, "limit-reached")
          pause(milliseconds: 20)
          reply = try client.post("/sessions/\(session.id)/step", .step(input))
        }
        #expect(try reply.decoded() == session.direct.step(input).with(.all, session: session.id))
      }
      let metrics = try client.exchange("GET", "/metrics").text
      #expect(metrics.contains("\nntm_sessions 20\n"))
      #expect(!metrics.contains("\nntm_sessions_moved_out_total 0\n"))
    }
  }

  @Test(arguments: [1000, 3])
  func theListHasEachSessionOnceHoweverOftenItComesAndGoes(_ limit: Int) async throws {
    let store = MemorySessionStore(outlivesProcess: true)
    try await withLiveService(pool, options(room: 4), store) { port throws in
      let client = try SocketClient(port: port)
      let ids = try (0..<10).map { _ in try client.makeSession() }
      for _ in 0..<5 {
        for id in ids { _ = try client.step(id, [1, 0, 1]) }
      }
      var listed: [String] = []
      var next: String? = "/sessions?limit=\(limit)"
      while let target = next {
        let page = try client.exchange("GET", target).object()
        let sessions = try #require(page["sessions"] as? [[String: Any]])
        listed += sessions.compactMap { $0["id"] as? String }
        next = page["next"] as? String
      }
      #expect(listed == ids)
    }
  }

  /// However little room there is: a client whose answer was lost must get it.
  @Test func theLastReplyIsKeptWhereThereIsRoomForOneStateOnly() async throws {
    let store = MemorySessionStore(outlivesProcess: true)
    var id = ""
    let body = "{\"step\":1,\"input\":[1,0,1],\"return\":[\"memory\",\"heads\"]}"
    var first: [UInt8] = []
    try await withLiveService(pool, options(room: 1), store) { port throws in
      let client = try SocketClient(port: port)
      id = try client.makeSession()
      first = try client.post("/sessions/\(id)/step", body).body
      #expect(first.count > Self.model.stateBytes)
      let again = try client.post("/sessions/\(id)/step", body)
      #expect(again.body == first)
      #expect(again.header("Idempotent-Replayed") == "true")
    }
    try await withLiveService(pool, options(room: 1), store) { port throws in
      let client = try SocketClient(port: port)
      _ = try client.makeSession()
      #expect(try client.post("/sessions/\(id)/step", body).body == first)
    }
  }

  @Test func aSessionThatIsWatchedMovesOutAndKeepsItsWatchers() async throws {
    let store = MemorySessionStore(outlivesProcess: true)
    var options = options(room: 0)
    options.maxSessionBytes = 2 * EventChannel.firstBytes + 1
    let count = options.maxSessionBytes / Self.model.stateBytes
    try await withLiveService(pool, options, store) { port throws in
      let client = try SocketClient(port: port)
      let watched = try client.makeSession()
      let watcher = try EventReader(port: port, "/sessions/\(watched)/events")
      _ = try watcher.next()
      for round in 1...3 {
        for _ in 0..<2 * count {
          let id = try client.makeSession()
          #expect(try client.step(id, [1, 0, 1]).step == 1)
        }
        #expect(try client.step(watched, [1, 0, 1]).step == round)
        let event = try #require(try watcher.next())
        #expect(event.name == "step" && event.step == round)
      }
      let metrics = try Metrics(client.exchange("GET", "/metrics").text)
      #expect(try #require(metrics["ntm_sessions_moved_out_total"]) > Double(count))
    }
  }

  /// Memory is full of idle sessions.
  @Test(arguments: Durability.allCases)
  func sessionsMoveOutForAWatcher(_ durability: Durability) async throws {
    let store = MemorySessionStore(outlivesProcess: true)
    var options = options(room: 0, durability)
    options.maxSessionBytes = 4 * EventChannel.firstBytes + 1
    let count = options.maxSessionBytes / Self.model.stateBytes
    try await withLiveService(pool, options, store) { port throws in
      let client = try SocketClient(port: port)
      var ids: [String] = []
      while ids.count < 2 * count {
        let made = try client.post("/sessions")
        if made.status == 201 { ids.append(try #require(made.object()["id"] as? String)) }
      }
      // One that is in memory, and one that is not.
      for id in [ids[0], ids[ids.count - 1]] {
        let watcher = try EventReader(port: port, "/sessions/\(id)/events")
        #expect(try watcher.next()?.name == "session")
        watcher.close()
      }
    }
  }

  /// Requests for the same session, of which the first has to bring it into memory.
  @Test func manyWantTheSameSession() async throws {
    let store = MemorySessionStore(outlivesProcess: true)
    try await withLiveService(pool, options(room: 3), store) { port throws in
      let client = try SocketClient(port: port)
      let ids = try (0..<6).map { _ in try client.makeSession() }
      let steps = try onThreads(8) { thread in
        let client = try SocketClient(port: port)
        var taken = 0
        var generator = SplitMix(seed: UInt64(thread))
        for _ in 0..<100 {
          let reply = try client.post(
            "/sessions/\(ids.randomElement(using: &generator)!)/step", .step([1, 0, 1]))
          if reply.status == 200 { taken += 1 } else { try #require(reply.status == 503) }
        }
        return taken
      }
      let positions = try ids.map {
        try client.exchange("GET", "/sessions/\($0)").object()["step"] as? Int ?? -1
      }
      #expect(positions.reduce(0, +) == steps.reduce(0, +))
      #expect(steps.reduce(0, +) > 0)
    }
  }

  /// The list is that of all, wherever they are.
  @Test func theListIsComplete() async throws {
    let store = MemorySessionStore(outlivesProcess: true)
    try await withLiveService(pool, options(room: 3), store) { port throws in
      let client = try SocketClient(port: port)
      var ids = try (0..<25).map { _ in try client.makeSession() }
      #expect(try client.exchange("DELETE", "/sessions/\(ids.remove(at: 7))").status == 204)
      #expect(try client.exchange("DELETE", "/sessions/\(ids.removeLast())").status == 204)
      var listed: [String] = []
      var next: String? = "/sessions?limit=4"
      while let target = next {
        let page = try client.exchange("GET", target).object()
        listed += (page["sessions"] as? [[String: Any]] ?? []).compactMap { $0["id"] as? String }
        next = page["next"] as? String
      }
      #expect(listed == ids)
    }
  }

  @Test func aSessionThatWaitsInTheStoreExpires() async throws {
    let store = MemorySessionStore(outlivesProcess: true)
    var options = options(room: 2)
    options.sessionTimeToLive = 0.5
    try await withLiveService(pool, options, store) { port throws in
      let client = try SocketClient(port: port)
      let ids = try (0..<8).map { _ in try client.makeSession() }
      pause(milliseconds: 700)
      for id in ids {
        let ended = try client.exchange("GET", "/sessions/\(id)")
        try expectProblem(ended, 404, "no-such-session", fields: ["reason": .text("expired")])
      }
      while !store.page(after: 0, limit: 9).isEmpty { pause(milliseconds: 20) }
      #expect(try client.exchange("GET", "/metrics").text.contains("\nntm_sessions 0\n"))
    }
  }
}

/// What of a session is not in the store yet.
struct UnsavedTests {
  /// Between its making and the first note of it, a session's state is nowhere else.
  @Test func aSessionThatTheStoreDoesNotKnowIsNotClean() {
    var unsaved = Unsaved()
    var cleanliness = [unsaved.isClean]
    let isFirst = unsaved.add(UnsavedChange(isCreated: true))
    cleanliness.append(unsaved.isClean)
    let isCreated = unsaved.take()?.isCreated
    cleanliness.append(unsaved.isClean)
    let waiters = unsaved.saved(at: .now)
    #expect(cleanliness == [false, false, false])
    #expect(isFirst)
    #expect(isCreated == true)
    #expect(waiters.isEmpty)
    #expect(unsaved.isClean)
    _ = unsaved.add(UnsavedChange())
    #expect(!unsaved.isClean)
  }

  @Test func whatCameInAnotherEpochIsTakenBack() {
    var unsaved = Unsaved()
    let before = unsaved.epoch
    _ = unsaved.add(UnsavedChange(isCreated: true))
    _ = unsaved.take()
    let first = unsaved.wait(before, SaveWaiter(since: 0) { _ in })
    #expect(first == .waiting)
    unsaved.rollBack(Problem(.storeUnavailable, "as a test"))
    // What is noted meanwhile is dropped, and never acknowledged: also not afterwards.
    let meanwhile = unsaved.epoch
    let isNoted = unsaved.add(UnsavedChange())
    #expect(!isNoted)
    // Whoever is told so finds the session as it was before.
    let answer = unsaved.wait(meanwhile, SaveWaiter(since: 0) { _ in })
    #expect(answer == .waiting)
    let waiters = unsaved.takenBack().count
    #expect(waiters == 2)
    let after = unsaved.epoch
    let answers = [before, meanwhile, after].map { epoch in
      unsaved.wait(epoch, SaveWaiter(since: 0) { _ in })
    }
    #expect(answers == [.rolledBack, .rolledBack, .saved])
  }
}
