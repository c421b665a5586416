import NTMModel
import Testing

@testable import NTMServer

/// How requests are answered while a commit blocks, and after it: each cell of `SaveOutcome`'s table.
struct SaveOutcomeTests {
  private let store = BlockingStore()
  private let inputs = ServedModel.copy.inputs(30)
  private static let full = StoreError(.failing, "there is no room on the disk")

  /// A service with clients.
  private struct Server {
    let service: Service
    let store: BlockingStore
    let port: Int

    func client() throws -> SocketClient { try SocketClient(port: port) }

    /// The reply to a request whose commit blocks: the time that it waits for passes.
    func overdue(_ request: @escaping @Sendable (SocketClient) throws -> Response) throws
      -> Response
    {
      let reply = Monitor<Result<Response, any Error>?>(nil)
      let port = port
      try SystemThread {
        let result = Result { try request(SocketClient(port: port)) }
        reply.withLock { $0 = result }
        reply.broadcast()
      }.detach()
      while true {
        let result = reply.wait(until: monotonicNanoseconds() + 5_000_000) { $0 }
        if let result { return try result.get() }
        service.journal.answerOverdue(at: monotonicNanoseconds() + Journal.waitLimit)
      }
    }

    func step(_ client: SocketClient) throws -> Int? {
      let list = try client.exchange("GET", "/sessions").object()["sessions"] as? [[String: Any]]
      return list?.first?["step"] as? Int
    }
  }

  private func serve(
    _ durability: Durability, _ body: (Server) throws -> Void
  ) async throws {
    await Places.services.take()
    defer { Task { await Places.services.giveBack() } }
    let options = ServiceOptions.testing {
      $0.durability = durability
      $0.http.workers = 4
    }
    let service = try Service(pool: .copy, options: options, logger: .silent, store: store)
    try service.start()
    defer {
      store.reject([])
      store.release()
      service.stop(drainTimeout: .seconds(SocketClient.timeoutSeconds))
    }
    try body(Server(service: service, store: store, port: try #require(service.port)))
  }

  private func position(_ client: SocketClient, _ id: String) throws -> Int? {
    try client.exchange("GET", "/sessions/\(id)").object()["step"] as? Int
  }

  private func body(_ number: Int, isNumbered: Bool = false) -> String {
    let step = isNumbered ? ",\"step\":\(number)" : ""
    return "{\"input\":\(inputs[number - 1].json)\(step)}"
  }

  /// Repeats a request until the store works again, which the server notices by itself.
  private func untilSaved(_ request: () throws -> Response) throws -> Response {
    for _ in 0..<1000 {
      let response = try request()
      guard response.status == 503 || response.status == 409 else { return response }
      pause(milliseconds: 10)
    }
    return try request()
  }

  // MARK: A commit that still runs, with `always`

  @Test func anUnsavedStepIsReportedWithItsNumberAndReadsGoOn() async throws {
    try await serve(.always) { server in
      let client = try server.client()
      let id = try client.makeSession()
      store.block()
      let reply = try server.overdue { try $0.post("/sessions/\(id)/step", body(1)) }
      try expectProblem(
        reply, 504, "save-unconfirmed", fields: ["step": .number(1), "session": .text(id)])
      #expect(reply.header("Retry-After") == nil)
      #expect(try position(client, id) == 1)
      for path in [
        "/sessions", "/sessions/\(id)", "/sessions/\(id)/memory", "/sessions/\(id)/state",
      ] {
        #expect(try server.overdue { try $0.exchange("GET", path) }.status == 200, "\(path)")
      }
      store.release()
      let next = try untilSaved { try client.post("/sessions/\(id)/step", body(2)) }
      #expect(try next.object()["step"] as? Int == 2)
    }
  }

  @Test func aNumberedRetryGetsTheReplyOnceTheStepIsSaved() async throws {
    try await serve(.always) { server in
      let client = try server.client()
      let id = try client.makeSession()
      store.block()
      for _ in 0..<2 {
        let reply = try server.overdue {
          try $0.post("/sessions/\(id)/step", body(1, isNumbered: true))
        }
        try expectProblem(reply, 504, "save-unconfirmed", fields: ["step": .number(1)])
      }
      // Also once new changes are refused.
      server.service.journal.noteStall(at: monotonicNanoseconds() + Journal.waitLimit)
      let reply = try server.overdue {
        try $0.post("/sessions/\(id)/step", body(1, isNumbered: true))
      }
      try expectProblem(reply, 504, "save-unconfirmed", fields: ["step": .number(1)])
      store.release()
      let saved = try client.post("/sessions/\(id)/step", body(1, isNumbered: true))
      #expect(saved.status == 200)
      #expect(saved.header("Idempotent-Replayed") == "true")
      #expect(try position(client, id) == 1)
    }
  }

  @Test func anUnsavedStepThatIsTakenBackCanBeTakenAgain() async throws {
    try await serve(.always) { server in
      let client = try server.client()
      let id = try client.makeSession()
      store.block()
      _ = try server.overdue { try $0.post("/sessions/\(id)/step", body(1, isNumbered: true)) }
      store.release(failing: Self.full)
      while try position(client, id) != 0 { pause(milliseconds: 1) }
      store.release()
      let again = try untilSaved {
        try client.post("/sessions/\(id)/step", body(1, isNumbered: true))
      }
      #expect(again.status == 200)
      #expect(again.header("Idempotent-Replayed") == nil)
      #expect(try position(client, id) == 1)
    }
  }

  @Test(arguments: [true, false])
  func aKeyIsInUseUntilItsStepIsSettled(_ isSaved: Bool) async throws {
    try await serve(.always) { server in
      let client = try server.client()
      let id = try client.makeSession()
      store.block()
      let send = { @Sendable (client: SocketClient) in
        try client.exchange(
          "POST", "/sessions/\(id)/step", headers: [("Idempotency-Key", "key")],
          body: Array(body(1).utf8))
      }
      try expectProblem(try server.overdue(send), 504, "save-unconfirmed")
      for _ in 0..<2 { try expectProblem(try send(client), 409, "key-in-use") }
      store.release(failing: isSaved ? nil : Self.full)
      if !isSaved {
        while try position(client, id) != 0 { pause(milliseconds: 1) }
        store.release()
      }
      let again = try untilSaved { try send(client) }
      #expect(again.status == 200)
      #expect(try again.object()["step"] as? Int == 1)
      #expect(again.header("Idempotent-Replayed") == (isSaved ? "true" : nil))
      #expect(try position(client, id) == 1)
    }
  }

  @Test func creationsForksResetsStatesAndEndsAreUnconfirmed() async throws {
    try await serve(.always) { server in
      let client = try server.client()
      let ids = try (0..<4).map { _ in try client.makeSession() }
      let state = try client.exchange("GET", "/sessions/\(ids[0])/state").body
      store.block()
      for (method, path, body) in [
        ("POST", "/sessions", []), ("POST", "/sessions/\(ids[0])/fork", []),
        ("POST", "/sessions/\(ids[1])/reset", []), ("PUT", "/sessions/\(ids[2])/state", state),
        ("DELETE", "/sessions/\(ids[3])", []),
      ] {
        let reply = try server.overdue { try $0.exchange(method, path, body: body) }
        try expectProblem(reply, 504, "save-unconfirmed")
        // The client learns the id of a session that it does not know yet.
        let id = try #require(try reply.object()["session"] as? String)
        #expect(
          try client.exchange("GET", "/sessions/\(id)").status == (method == "DELETE" ? 404 : 200))
      }
      store.release()
      let list = try client.exchange("GET", "/sessions").object()["sessions"] as? [Any]
      #expect(list?.count == 5)
    }
  }

  @Test func theEndOfASessionThatIsInTheStoreOnlyIsUnconfirmed() async throws {
    try await serve(.always) { server in
      let client = try server.client()
      let id = try client.makeSession()
      // A damaged session is not in memory.
      store.reject([1], by: .damaged)
      try expectProblem(try client.post("/sessions/\(id)/step", body(1)), 500, "damaged-session")
      while store.record(id: id)?.damage == nil { pause(milliseconds: 1) }
      store.reject([])
      store.block()
      let reply = try server.overdue { try $0.exchange("DELETE", "/sessions/\(id)") }
      try expectProblem(reply, 504, "save-unconfirmed", fields: ["session": .text(id)])
      #expect(try client.exchange("GET", "/sessions/\(id)").status == 404)
      store.release()
      while store.record(id: id) != nil { pause(milliseconds: 1) }
    }
  }

  @Test func theEndOfAStoredSessionThatCannotBeSavedIsNone() async throws {
    try await serve(.everysec) { server in
      let client = try server.client()
      let id = try client.makeSession()
      while store.record(id: id) == nil { pause(milliseconds: 1) }
      store.reject([1], by: .damaged)
      #expect(try client.post("/sessions/\(id)/step", body(1)).status == 200)
      while store.record(id: id)?.damage == nil { pause(milliseconds: 1) }
      store.reject([])
      store.release(failing: Self.full)
      try expectProblem(
        try client.exchange("DELETE", "/sessions/\(id)"), 503, "store-unavailable")
      let list = try client.exchange("GET", "/sessions").object()["sessions"] as? [Any]
      #expect(list?.count == 1)
      store.release()
      let deleted = try untilSaved { try client.exchange("DELETE", "/sessions/\(id)") }
      #expect(deleted.status == 204, "\(deleted.status) \(deleted.text)")
    }
  }

  @Test func aStreamEndsWithWhatIsUnconfirmed() async throws {
    try await serve(.always) { server in
      let client = try server.client()
      let id = try client.makeSession()
      store.block()
      let lines = inputs.map { $0.json + "\n" }.joined()
      let reply = try server.overdue {
        try $0.exchange(
          "POST", "/sessions/\(id)/step", headers: [("Content-Type", "application/x-ndjson")],
          body: Array(lines.utf8))
      }
      let results = reply.text.split(separator: "\n")
      let last = try #require(results.last)
      let step = try #require(try position(client, id))
      #expect(step > 0)
      #expect(results.count == step + 1)
      for part in ["save-unconfirmed", "\"applied\":\(step)", "\"step\":\(step)"] {
        #expect(last.contains(part), "\(last)")
      }
    }
  }

  @Test(arguments: [true, false])
  func stepsOfManySessionsAreUnconfirmedOneByOne(_ isSaved: Bool) async throws {
    try await serve(.always) { server in
      let client = try server.client()
      let ids = try (0..<2).map { _ in try client.makeSession() }
      let steps = ids.map { "{\"session\":\"\($0)\",\"input\":\(inputs[0].json)}" }
      let send = { @Sendable (client: SocketClient) in
        try client.exchange(
          "POST", "/step", headers: [("Idempotency-Key", "key")],
          body: Array("{\"steps\":[\(steps.joined(separator: ","))]}".utf8))
      }
      func types(_ reply: Response) throws -> [String?] {
        (try reply.object()["steps"] as? [[String: Any]] ?? []).map { $0["type"] as? String }
      }
      store.block()
      let unconfirmed = try server.overdue(send)
      #expect(unconfirmed.status == 200)
      #expect(
        try types(unconfirmed) == Array(repeating: "urn:ntm:problem:save-unconfirmed", count: 2))
      try expectProblem(try send(client), 409, "key-in-use")
      store.release(failing: isSaved ? nil : Self.full)
      let settled = try untilSaved { try send(client) }
      #expect(settled.header("Idempotent-Replayed") == "true")
      #expect(
        try types(settled)
          == Array(repeating: isSaved ? nil : "urn:ntm:problem:store-unavailable", count: 2))
      #expect(try ids.map { try position(client, $0) } == (isSaved ? [1, 1] : [0, 0]))
      store.release()
    }
  }

  @Test func aSequenceWhoseNewBeginningIsTakenBackGoesOn() async throws {
    try await serve(.always) { server in
      let client = try server.client()
      func infer(_ flag: String) throws -> Response {
        let data = inputs[0].json
        return try client.post(
          "/v2/models/copy/infer",
          "{\"parameters\":{\"sequence_id\":7\(flag)},\"inputs\":[{\"name\":\"input\",\"datatype\":"
            + "\"FP32\",\"shape\":[1,9],\"data\":\(data)}]}")
      }
      #expect(try infer(",\"sequence_start\":true").status == 200)
      store.release(failing: Self.full)
      let refused = try infer(",\"sequence_start\":true")
      #expect(refused.status == 503, "\(refused.status) \(refused.text)")
      store.release()
      let next = try untilSaved { try infer("") }
      #expect(next.status == 200, "\(next.text)")
      #expect(try server.step(client) == 2)
    }
  }

  // MARK: A store that hangs

  @Test(arguments: [Durability.always, .everysec])
  func changesAreRefusedWhileTheStoreHangs(_ durability: Durability) async throws {
    try await serve(durability) { server in
      let client = try server.client()
      let id = try client.makeSession()
      store.block()
      _ = try server.overdue { try $0.post("/sessions/\(id)/step", body(1)) }
      store.waitForCall()
      server.service.journal.noteStall(at: monotonicNanoseconds() + Journal.waitLimit)
      for (method, path, body) in [
        ("POST", "/sessions/\(id)/step", body(2)), ("POST", "/sessions", ""),
        ("POST", "/sessions/\(id)/reset", ""), ("POST", "/sessions/\(id)/fork", ""),
        ("DELETE", "/sessions/\(id)", ""),
      ] {
        let reply = try client.exchange(method, path, body: Array(body.utf8))
        try expectProblem(reply, 503, "store-unavailable")
        #expect(try reply.object()["reason"] is String)
      }
      // Reads do not wait any more.
      #expect(try client.exchange("GET", "/sessions/\(id)/memory").status == 200)
      #expect(try position(client, id) == 1)
      #expect(try client.exchange("GET", "/metrics").text.contains("\nntm_store_failing 1\n"))
      store.release()
      #expect(try untilSaved { try client.post("/sessions/\(id)/step", body(2)) }.status == 200)
      #expect(try client.exchange("GET", "/metrics").text.contains("\nntm_store_failing 0\n"))
    }
  }

  @Test func aServerWhoseStoreHangsStops() async throws {
    let journal = Journal(store, .everysec, .silent)
    let table = SessionTable(
      limits: .init(timeToLive: 3600, sessions: 10, bytes: .max), journal: journal)
    try journal.start()
    store.block()
    let session = try table.make(.copy)
    store.waitForCall()
    journal.stop(Journal.Final(sessions: table.all, replies: []), patience: 0)
    #expect(journal.loss.withLock { $0?.sessions } == [session.id])
    store.release()
  }

  // MARK: `everysec`

  /// A change that waits because commits take long.
  @Test(arguments: [true, false])
  func aStepThatStaysInMemoryIsReportedAsApplied(_ isFailing: Bool) async throws {
    try await serve(.everysec) { server in
      let client = try server.client()
      let id = try client.makeSession()
      let other = try client.makeSession()
      store.block()
      #expect(try client.post("/sessions/\(other)/step", body(1)).status == 200)
      store.waitForCall()
      while !server.service.journal.mustWait { pause(milliseconds: 1) }
      // Reads do not wait.
      #expect(try client.exchange("GET", "/sessions/\(other)/memory").status == 200)
      let reply = try server.overdue { client in
        if isFailing {
          try SystemThread {
            while true {
              if (try? SocketClient(port: server.port)).flatMap({ try? position($0, id) }) == 1 {
                break
              }
            }
            store.release(failing: Self.full)
          }.detach()
        }
        return try client.post("/sessions/\(id)/step", body(1))
      }
      #expect(reply.status == 200, "\(reply.text)")
      #expect(try reply.object()["step"] as? Int == 1)
      store.release()
      let next = try untilSaved { try client.post("/sessions/\(id)/step", body(2)) }
      #expect(try next.object()["step"] as? Int == 2)
      while store.record(id: id)?.step != 2 { pause(milliseconds: 1) }
    }
  }

  @Test func stepsBeforeAndDuringAFailedCommitAreSavedLater() async throws {
    try await serve(.everysec) { server in
      let client = try server.client()
      let id = try client.makeSession()
      while store.record(id: id) == nil { pause(milliseconds: 1) }
      store.block()
      for number in 1...2 {
        let reply = try server.overdue { try $0.post("/sessions/\(id)/step", body(number)) }
        #expect(try reply.object()["step"] as? Int == number)
        store.waitForCall()
      }
      store.release(failing: Self.full)
      while !server.service.journal.isFailing { pause(milliseconds: 1) }
      store.release()
      while store.record(id: id)?.step != 2 { pause(milliseconds: 1) }
      let number = try #require(store.record(id: id)?.number)
      let content = try #require(store.content(of: number))
      #expect(content.steps.flatMap(\.inputs) == Array(inputs[..<2]))
    }
  }

  @Test func aServerThatStopsWithAFullDiskReportsTheLoss() async throws {
    for durability in [Durability.everysec, .none, .always] {
      let store = BlockingStore()
      let service = try Service(
        pool: .copy, options: .testing { $0.durability = durability }, logger: .silent,
        store: store)
      try service.start()
      let client = try SocketClient(port: try #require(service.port))
      let id = try client.makeSession()
      store.release(failing: Self.full)
      _ = try client.post("/sessions/\(id)/step", body(1))
      client.close()
      service.stop(drainTimeout: .seconds(SocketClient.timeoutSeconds))
      #expect(service.loss?.sessions == (durability == .always ? nil : [id]), "\(durability)")
      #expect(service.loss?.reason == (durability == .always ? nil : Self.full.reason))
    }
  }

  // MARK: One change that is rejected

  @Test func aRejectedStepIsTakenBackAndTheOthersAreSaved() async throws {
    try await serve(.always) { server in
      let client = try server.client()
      let ids = try (0..<3).map { _ in try client.makeSession() }
      store.reject([2])
      let port = server.port
      let replies = try onThreads(12) { thread in
        try SocketClient(port: port).post("/sessions/\(ids[thread % 3])/step", body(1))
      }
      for (thread, reply) in replies.enumerated() {
        guard thread % 3 == 1 else {
          #expect(reply.status == 200)
          continue
        }
        try expectProblem(
          reply, 500, "change-rejected",
          fields: ["session": .text(ids[1]), "reason": .text("as a test")])
      }
      #expect(try ids.map { try position(client, $0) } == [4, 0, 4])
      #expect(server.service.loss == nil)
      let metrics = try client.exchange("GET", "/metrics").text
      #expect(metrics.contains("\nntm_store_failing 0\n"))
      #expect(!metrics.contains("\nntm_store_rejected_total 0\n"))
      store.reject([])
      #expect(try client.post("/sessions/\(ids[1])/step", body(1)).status == 200)
    }
  }

  @Test func aRejectedCreationLeavesNothing() async throws {
    try await serve(.always) { server in
      let client = try server.client()
      store.reject([1])
      let refused = try client.post("/sessions")
      try expectProblem(refused, 500, "change-rejected")
      let id = try #require(try refused.object()["session"] as? String)
      #expect(try client.exchange("GET", "/sessions/\(id)").status == 404)
      #expect(try client.post("/sessions").status == 201)
    }
  }

  @Test func anAcknowledgedStepThatIsRejectedIsALoss() async throws {
    try await serve(.everysec) { server in
      let client = try server.client()
      let ids = try (0..<2).map { _ in try client.makeSession() }
      while store.record(id: ids[1]) == nil { pause(milliseconds: 1) }
      store.reject([1])
      for id in ids { #expect(try client.post("/sessions/\(id)/step", body(1)).status == 200) }
      while store.record(id: ids[1])?.step != 1 { pause(milliseconds: 1) }
      var reply = try client.post("/sessions/\(ids[0])/step", body(2))
      while reply.status == 200 { reply = try client.post("/sessions/\(ids[0])/step", body(2)) }
      try expectProblem(reply, 500, "damaged-session")
      #expect(try client.post("/sessions/\(ids[1])/step", body(2)).status == 200)
      #expect(server.service.loss?.sessions == [ids[0]])
    }
  }

  @Test func aRejectedChangeIsFoundByHalving() throws {
    let journal = Journal(store, .everysec, .silent)
    let table = SessionTable(
      limits: .init(timeToLive: 3600, sessions: 1000, bytes: .max), journal: journal)
    store.block()
    try journal.start()
    // The first session keeps the journal busy while the others come together.
    let first = try table.make(.copy)
    store.waitForCall()
    let others = try (0..<256).map { _ in try table.make(.copy) }
    store.reject([others[100].number])
    store.release()
    for session in others where session !== others[100] {
      while store.record(id: session.id) == nil { pause(milliseconds: 1) }
    }
    #expect(store.record(id: first.id) != nil)
    #expect(store.record(id: others[100].id) == nil)
    #expect(throws: Problem.self) { try table.find(others[100].id) }
    // One commit for each half on the way: 256, then 2 of 128, … 2 of 1.
    #expect(store.commits.count == 1 + 1 + 2 * 8)
    journal.stop(Journal.Final(sessions: table.all, replies: []), patience: .max / 2)
    #expect(journal.loss.withLock { $0?.sessions } == [others[100].id])
  }
}
