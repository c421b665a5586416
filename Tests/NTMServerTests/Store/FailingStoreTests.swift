import NTMModel
import Testing

@testable import NTMServer

/// What clients see of a store that can't be written or read for a while.
struct FailingStoreTests {
  private let store = FailingStore()
  private let inputs = ServedModel.copy.inputs(30)
  private static let full = StoreError(.failing, "there is no room on the disk")

  private func serve(
    _ durability: Durability, _ body: (SocketClient) throws -> Void
  ) async throws {
    try await withLiveService(.copy, .testing { $0.durability = durability }, store) { port in
      try body(try SocketClient(port: port))
    }
  }

  private func step(_ client: SocketClient, _ id: String, _ number: Int) throws -> Response {
    try client.post("/sessions/\(id)/step", "{\"input\":\(inputs[number - 1].json)}")
  }

  private func position(_ client: SocketClient, _ id: String) throws -> Int? {
    try client.exchange("GET", "/sessions/\(id)").object()["step"] as? Int
  }

  /// Repeats a request until the store works again, which it finds out by itself.
  private func untilSaved(_ request: () throws -> Response) throws -> Response {
    for _ in 0..<200 {
      let response = try request()
      guard response.status == 503 else { return response }
      pause(milliseconds: 50)
    }
    return try request()
  }

  /// Whether the store works again before the answer is waited for or after it.
  @Test func whatWasTakenBackIsNeverAcknowledged() async throws {
    try await serve(.always) { client throws in
      let id = try client.makeSession()
      var taken = 0
      for _ in 0..<300 {
        store.fail(writing: Self.full)
        let refused = try step(client, id, 1)
        store.fail()
        #expect(refused.status == 503)
        if try step(client, id, 1).status == 200 { taken += 1 }
        guard taken < 3 else { break }
      }
      #expect(try position(client, id) == taken)
    }
  }

  @Test func whatCannotBeSavedHasNotHappened() async throws {
    try await serve(.always) { client throws in
      let id = try client.makeSession()
      #expect(try step(client, id, 1).status == 200)
      let before = try client.exchange("GET", "/sessions/\(id)/state").body
      store.fail(writing: Self.full)
      let refused = try step(client, id, 2)
      try expectProblem(
        refused, 503, "store-unavailable", fields: ["reason": .text(Self.full.reason)])
      #expect(refused.header("Retry-After") != nil)
      // Neither the first, which found out, nor those after it.
      for _ in 0..<3 {
        #expect(try step(client, id, 2).status == 503)
        for (method, path) in [
          ("POST", "/sessions"), ("POST", "/sessions/\(id)/reset"),
          ("POST", "/sessions/\(id)/fork"),
        ] {
          try expectProblem(try client.exchange(method, path), 503, "store-unavailable")
        }
      }
      // Looks go on.
      #expect(try position(client, id) == 1)
      #expect(try client.exchange("GET", "/sessions/\(id)/state").body == before)
      #expect(try client.exchange("GET", "/readyz").status == 200)
      let metrics = try client.exchange("GET", "/metrics").text
      #expect(metrics.contains("\nntm_store_failing 1\n"))
      store.fail()
      #expect(try untilSaved { try step(client, id, 2) }.status == 200)
      #expect(try position(client, id) == 2)
      let list = try client.exchange("GET", "/sessions").object()["sessions"] as? [Any]
      #expect(list?.count == 1)
    }
  }

  @Test func aNewSessionThatCannotBeSavedIsNone() async throws {
    try await serve(.always) { client throws in
      store.fail(writing: Self.full)
      try expectProblem(try client.post("/sessions"), 503, "store-unavailable")
      let list = try client.exchange("GET", "/sessions").object()["sessions"] as? [Any]
      #expect(list?.isEmpty == true)
      #expect(try client.exchange("GET", "/metrics").text.contains("\nntm_sessions 0\n"))
      store.fail()
      #expect(try untilSaved { try client.post("/sessions") }.status == 201)
    }
  }

  @Test func anEndThatCannotBeSavedIsNone() async throws {
    try await serve(.always) { client throws in
      let id = try client.makeSession()
      #expect(try step(client, id, 1).status == 200)
      store.fail(writing: Self.full)
      let refused = try client.exchange("DELETE", "/sessions/\(id)")
      try expectProblem(refused, 503, "store-unavailable")
      #expect(try position(client, id) == 1)
      store.fail()
      #expect(try untilSaved { try step(client, id, 2) }.status == 200)
      #expect(
        try untilSaved { try client.exchange("DELETE", "/sessions/\(id)") }.status == 204)
      #expect(try client.exchange("GET", "/sessions/\(id)").status == 404)
    }
  }

  @Test func stepsOfManySessionsAreRefusedOneByOne() async throws {
    try await serve(.always) { client throws in
      let ids = try (0..<2).map { _ in try client.makeSession() }
      store.fail(writing: Self.full)
      let steps = ids.map { "{\"session\":\"\($0)\",\"input\":\(inputs[0].json)}" }
      let reply = try client.post("/step", "{\"steps\":[\(steps.joined(separator: ","))]}")
      let results = try reply.object()["steps"] as? [[String: Any]]
      #expect(
        results?.map { $0["type"] as? String }
          == Array(repeating: "urn:ntm:problem:store-unavailable", count: 2))
      #expect(try ids.map { try position(client, $0) } == [0, 0])
      store.fail()
    }
  }

  @Test func aStreamEndsWhereItsStepsCannotBeSaved() async throws {
    try await serve(.always) { client throws in
      let id = try client.makeSession()
      store.fail(writing: Self.full)
      let lines = inputs.map { $0.json + "\n" }.joined()
      let reply = try client.exchange(
        "POST", "/sessions/\(id)/step", headers: [("Content-Type", "application/x-ndjson")],
        body: Array(lines.utf8))
      let last = try #require(reply.text.split(separator: "\n").last)
      #expect(last.contains("store-unavailable"), "\(last)")
      #expect(last.contains("\"applied\":0"), "\(last)")
      #expect(try position(client, id) == 0)
      store.fail()
      #expect(try untilSaved { try step(client, id, 1) }.status == 200)
    }
  }

  /// What was acknowledged stays, and is saved as soon as that can be.
  @Test func everysecKeepsWhatItHasAcknowledged() async throws {
    var id = ""
    try await serve(.everysec) { client throws in
      id = try client.makeSession()
      #expect(try step(client, id, 1).status == 200)
      store.fail(writing: Self.full)
      var taken = 1
      for _ in 0..<200 {
        let reply = try step(client, id, taken % 30 + 1)
        guard reply.status == 200 else {
          try expectProblem(reply, 503, "store-unavailable")
          break
        }
        taken += 1
        pause(milliseconds: 20)
      }
      #expect(taken < 200)
      #expect(try position(client, id) == taken)
      store.fail()
      #expect(try untilSaved { try step(client, id, taken % 30 + 1) }.status == 200)
      #expect(try position(client, id) == taken + 1)
    }
    let record = try #require(try store.record(id: id))
    let direct = try DirectSession(.copy)
    for step in 0..<record.step { _ = try direct.step(inputs[step % 30]) }
    try await serve(.everysec) { client throws in
      let state = try StateFile(client.exchange("GET", "/sessions/\(id)/state").body)
      let isSame = try state.state(of: ServedModel.copy.model).isIdentical(to: direct.state)
      #expect(isSame)
    }
  }

  @Test func oneDamagedSessionDoesNotKeepOthersFromBeingSaved() async throws {
    try await withLiveService(.copy, .testing(), store) { port throws in
      let client = try SocketClient(port: port)
      let ids = try (0..<3).map { _ in try client.makeSession() }
      store.fail(writing: StoreError(.damaged, "its page is damaged"), session: 2)
      let replies = try onThreads(12) { thread in
        let client = try SocketClient(port: port)
        return try step(client, ids[thread % 3], 1).status
      }
      for (thread, status) in replies.enumerated() {
        #expect(status == (thread % 3 == 1 ? 500 : 200), "\(thread)")
      }
      store.fail()
      try expectProblem(try step(client, ids[1], 1), 500, "damaged-session")
      #expect(try position(client, ids[0]) == 4)
      #expect(try client.exchange("DELETE", "/sessions/\(ids[1])").status == 204)
    }
  }

  @Test func aSessionThatCannotBeReadIsNotLost() async throws {
    var id = ""
    try await serve(.always) { client throws in
      id = try client.makeSession()
      #expect(try step(client, id, 1).status == 200)
    }
    try await serve(.always) { client throws in
      store.fail(reading: StoreError(.failing, "the disk fails"))
      for path in ["", "/memory", "/state"] {
        try expectProblem(
          try client.exchange("GET", "/sessions/\(id)\(path)"), 503, "store-unavailable")
      }
      try expectProblem(try client.exchange("GET", "/sessions"), 503, "store-unavailable")
      store.fail()
      #expect(try step(client, id, 2).status == 200)
      #expect(try position(client, id) == 2)
    }
  }
}
