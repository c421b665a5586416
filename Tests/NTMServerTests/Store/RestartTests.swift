import NTMModel
import Testing

@testable import NTMServer

/// What is there again when a server takes the place of another one.
struct RestartTests {
  /// As after a crash with `always`: what was acknowledged is in the store, and nothing else.
  private let store = MemorySessionStore(outlivesProcess: true)
  private let inputs = ServedModel.copy.inputs(30)

  /// A server for the time of `body`, on what the one before has left.
  private func serve(
    _ pool: ModelPool = .copy, _ options: ServiceOptions = .testing(),
    _ body: (SocketClient) throws -> Void
  ) async throws {
    try await withLiveService(pool, options, store) { port in
      try body(try SocketClient(port: port))
    }
  }

  private func body(_ step: Int? = nil, _ more: String = "") -> String {
    let number = step.map { "\"step\":\($0)," } ?? ""
    return "{\(number)\(more)\"input\":\(inputs[(step ?? 1) - 1].json)}"
  }

  @Test func aSessionGoesOnWhereItWas() async throws {
    var id = ""
    var before: [UInt8] = []
    try await serve { client throws in
      id = try client.makeSession()
      for step in 1...5 {
        #expect(try client.post("/sessions/\(id)/step", body(step)).status == 200)
      }
      before = try client.exchange("GET", "/sessions/\(id)/state").body
    }
    try await serve { client throws in
      let session = try client.exchange("GET", "/sessions/\(id)").object()
      #expect(session["step"] as? Int == 5)
      #expect(session["recomputed_from"] == nil)
      #expect(try client.exchange("GET", "/sessions/\(id)/state").body == before)
      let next = try client.post("/sessions/\(id)/step", body(6))
      let direct = try DirectSession(.copy)
      for step in 0..<5 { _ = try direct.step(inputs[step]) }
      #expect(try next.decoded() == direct.step(inputs[5]).with(.standard, session: id))
    }
  }

  /// With so many steps that the store is given states in between.
  @Test(arguments: [1, 7, 30])
  func aStateIsTheSameBits(_ perRequest: Int) async throws {
    let model = ServedModel.mixed
    let pool = try ModelPool([model])
    let inputs = model.inputs(model.stepsPerBase * 2 + 5)
    var id = ""
    try await serve(pool) { client throws in
      id = try client.makeSession()
      for start in stride(from: 0, to: inputs.count, by: perRequest) {
        let some = inputs[start..<min(start + perRequest, inputs.count)].map(\.json)
        let reply = try client.post(
          "/sessions/\(id)/step?return=output", "{\"inputs\":[\(some.joined(separator: ","))]}")
        #expect(reply.status == 200)
      }
    }
    #expect(try #require(store.content(of: 1)).base.step > 0)
    let direct = try DirectSession(model)
    for input in inputs { _ = try direct.step(input) }
    try await serve(pool) { client throws in
      let state = try StateFile(client.exchange("GET", "/sessions/\(id)/state").body)
      #expect(state.step == inputs.count)
      let isSame = try state.state(of: model.model).isIdentical(to: direct.state)
      #expect(isSame)
    }
  }

  @Test(arguments: ["", "\"return\":[\"heads\",\"input\",\"memory\"],"])
  func theLastStepIsAnsweredAgainAndCountsOnce(_ fields: String) async throws {
    var id = ""
    var first: [UInt8] = []
    try await serve { client throws in
      id = try client.makeSession()
      for step in 1...3 { first = try client.post("/sessions/\(id)/step", body(step, fields)).body }
    }
    try await serve { client throws in
      let again = try client.post("/sessions/\(id)/step", body(3, fields))
      #expect(again.header("Idempotent-Replayed") == "true")
      #expect(again.body == first)
      #expect(try client.exchange("GET", "/sessions/\(id)").object()["step"] as? Int == 3)
      // As without a restart, another input is another step.
      let other = try client.post(
        "/sessions/\(id)/step", "{\"step\":3,\"input\":\(inputs[7].json)}")
      try expectProblem(other, 409, "wrong-step")
    }
  }

  @Test func aListAndAFormAreAnsweredAgain() async throws {
    var id = ""
    var first: [UInt8] = []
    let list = "{\"step\":2,\"inputs\":[\(inputs[1].json),\(inputs[2].json)]}"
    let csv = [("Accept", "text/csv")]
    try await serve { client throws in
      id = try client.makeSession()
      _ = try client.post("/sessions/\(id)/step", body(1))
      first = try client.exchange(
        "POST", "/sessions/\(id)/step", headers: csv, body: Array(list.utf8)
      ).body
    }
    try await serve { client throws in
      let again = try client.exchange(
        "POST", "/sessions/\(id)/step", headers: csv, body: Array(list.utf8))
      #expect(again.header("Idempotent-Replayed") == "true")
      #expect(again.body == first)
    }
  }

  @Test func requestsWithAKeyAreCarriedOutOnce() async throws {
    var id = ""
    var replies: [[UInt8]] = []
    let requests = { (client: SocketClient) in
      let created = try client.exchange(
        "POST", "/sessions", headers: [("Idempotency-Key", "a")])
      #expect(created.status == 201)
      id = try #require(try created.object()["id"] as? String)
      let many =
        "{\"steps\":[{\"session\":\"\(id)\",\"input\":\(inputs[0].json)},{\"session\":\"\(id)\"}]}"
      return [
        created,
        try client.exchange(
          "POST", "/sessions/\(id)/step", headers: [("Idempotency-Key", "b")],
          body: Array(body().utf8)),
        try client.exchange("POST", "/sessions/\(id)/fork", headers: [("Idempotency-Key", "c")]),
        try client.exchange(
          "POST", "/step", headers: [("Idempotency-Key", "d"), ("X-Request-Id", "r")],
          body: Array(many.utf8)),
      ]
    }
    try await serve { client in replies = try requests(client).map(\.body) }
    try await serve { client throws in
      let again = try requests(client)
      // Of the last, only the parts are known for certain.
      #expect(again.map(\.body) == replies)
      #expect(again.prefix(3).allSatisfy { $0.header("Idempotent-Replayed") == "true" })
      #expect(try client.exchange("GET", "/sessions/\(id)").object()["step"] as? Int == 2)
      let list = try client.exchange("GET", "/sessions").object()["sessions"] as? [Any]
      #expect(list?.count == 2)
      let other = try client.exchange(
        "POST", "/sessions", headers: [("Idempotency-Key", "b")])
      try expectProblem(other, 422, "key-reused")
    }
  }

  @Test func whatElseChangesASessionIsThereAgain() async throws {
    var ids: [String] = []
    var states: [[UInt8]] = []
    try await serve { client throws in
      ids = try (0..<4).map { _ in try client.makeSession() }
      for id in ids { _ = try client.post("/sessions/\(id)/step", body()) }
      let state = try client.exchange("GET", "/sessions/\(ids[0])/state").body
      #expect(try client.post("/sessions/\(ids[1])/reset").status == 200)
      _ = try client.post("/sessions/\(ids[2])/step", body())
      #expect(
        try client.exchange("PUT", "/sessions/\(ids[2])/state", body: state).status == 200)
      ids.append(
        try #require(try client.post("/sessions/\(ids[0])/fork").object()["id"] as? String))
      ids.append(
        try #require(
          try client.exchange("POST", "/sessions", body: state).object()["id"] as? String))
      #expect(try client.exchange("DELETE", "/sessions/\(ids[3])").status == 204)
      ids.remove(at: 3)
      states = try ids.map { try client.exchange("GET", "/sessions/\($0)/state").body }
    }
    try await serve { client throws in
      #expect(try ids.map { try client.exchange("GET", "/sessions/\($0)/state").body } == states)
      let list = try client.exchange("GET", "/sessions").object()["sessions"] as? [[String: Any]]
      #expect(list?.map { $0["id"] as? String } == ids)
      #expect(list?.map { $0["step"] as? Int } == [1, 0, 1, 1, 1])
    }
  }

  @Test func aSequenceGoesOn() async throws {
    let request = { (flag: String) in
      """
      {"parameters":{"sequence_id":7\(flag)},"inputs":[{"name":"input","shape":[9],\
      "datatype":"FP32","data":\(inputs[0].json)}]}
      """
    }
    try await serve { client throws in
      let begin = try client.post("/v2/models/copy/infer", request(",\"sequence_start\":true"))
      #expect(begin.status == 200)
    }
    try await serve { client throws in
      let next = try client.post("/v2/models/copy/infer", request(""))
      #expect(next.status == 200)
      #expect(next.text.contains("\"step\":2"), "\(next.text)")
      #expect(
        try client.post("/v2/models/copy/infer", request(",\"sequence_end\":true")).status == 200)
    }
    try await serve { client throws in
      try expectProblem(
        try client.post("/v2/models/copy/infer", request("")), 404, "no-such-session")
      #expect((try client.exchange("GET", "/sessions").object()["sessions"] as? [Any])?.count == 0)
    }
  }

  // MARK: Another server

  @Test func stepsOfAnotherArithmeticAreTakenAgainAndItIsSaid() async throws {
    var id = ""
    try await serve { client throws in
      id = try client.makeSession()
      for step in 1...5 { _ = try client.post("/sessions/\(id)/step", body(step)) }
    }
    let content = try #require(store.content(of: 1))
    var change = StoredChange(session: 1, lastActivity: .now)
    change.base = StoredBase(
      step: 0, state: nil, arithmetic: "another", reply: nil, recomputedFrom: nil)
    change.steps = StoredSteps(
      first: 1, inputs: content.steps.flatMap(\.inputs), request: nil)
    store.commit([change])
    for _ in 0..<2 {
      try await serve { client throws in
        _ = try client.exchange("GET", "/sessions/\(id)/memory")
        _ = try client.post("/sessions/\(id)/step", body(1).replacing("\"step\":1,", with: ""))
        let session = try client.exchange("GET", "/sessions/\(id)").object()
        #expect(session["recomputed_from"] as? Int == 1)
      }
    }
    // What came out is in the store now.
    #expect(store.content(of: 1)?.base.arithmetic == Model.arithmetic)
    #expect(store.content(of: 1)?.base.step == 5)
  }

  @Test func aSessionWaitsForItsModel() async throws {
    var id = ""
    let both = try ModelPool([.copy, .mixed])
    try await serve(both) { client throws in
      id = try client.makeSession("mixed")
      _ = try client.post("/sessions/\(id)/step", "{\"input\":[1,0,1]}")
    }
    // One with other numbers is not its model.
    for pool in [ModelPool.copy, try ModelPool([.copy, .mixedVersion(1)])] {
      try await serve(pool) { client throws in
        let session = try client.exchange("GET", "/sessions/\(id)").object()
        #expect(session["model"] as? String == "mixed")
        #expect(session["step"] as? Int == 1)
        for (method, path) in [("POST", "/step"), ("GET", "/memory"), ("POST", "/fork")] {
          try expectProblem(
            try client.exchange(
              method, "/sessions/\(id)\(path)",
              body: path == "/step" ? Array("{\"input\":[1,0,1]}".utf8) : []),
            503, "model-not-served")
        }
      }
    }
    try await serve(both) { client throws in
      let step = try client.post("/sessions/\(id)/step", "{\"input\":[1,0,1]}")
      #expect(try step.decoded(StepResult.self).step == 2)
    }
    try await serve(.copy) { client throws in
      #expect(try client.exchange("DELETE", "/sessions/\(id)").status == 204)
      try expectProblem(
        try client.exchange("GET", "/sessions/\(id)"), 404, "no-such-session")
    }
    #expect(store.summary().sessions == 0)
  }

  @Test func aDamagedSessionIsNamedAndTheOthersLive() async throws {
    var ids: [String] = []
    try await serve { client throws in
      ids = try (0..<3).map { _ in try client.makeSession() }
      for id in ids { _ = try client.post("/sessions/\(id)/step", body()) }
    }
    var change = StoredChange(session: 2, lastActivity: .now)
    change.base = StoredBase(
      step: 4, state: [1, 2, 3], arithmetic: Model.arithmetic, reply: nil, recomputedFrom: nil)
    store.commit([change])
    for _ in 0..<2 {
      try await serve { client throws in
        for path in ["/memory", "/state", "/memory"] {
          try expectProblem(
            try client.exchange("GET", "/sessions/\(ids[1])\(path)"), 500, "damaged-session")
        }
        try expectProblem(
          try client.post("/sessions/\(ids[1])/step", body()), 500, "damaged-session")
        let list = try client.exchange("GET", "/sessions").object()["sessions"] as? [[String: Any]]
        #expect(list?.map { $0["damaged"] != nil } == [false, true, false])
        for id in [ids[0], ids[2]] {
          #expect(try client.post("/sessions/\(id)/step", body()).status == 200)
        }
      }
    }
    try await serve { client throws in
      #expect(try client.exchange("DELETE", "/sessions/\(ids[1])").status == 204)
      try expectProblem(
        try client.exchange("GET", "/sessions/\(ids[1])"), 404, "no-such-session")
      let list = try client.exchange("GET", "/sessions").object()["sessions"] as? [Any]
      #expect(list?.count == 2)
    }
  }

  @Test func timeWithoutAServerDoesNotCount() async throws {
    var id = ""
    try await serve { client throws in
      let made = try client.post("/sessions", "{\"keep_alive\":1}")
      id = try #require(try made.object()["id"] as? String)
    }
    pause(milliseconds: 1200)
    try await serve { client throws in
      #expect(try client.exchange("GET", "/sessions/\(id)").status == 200)
      pause(milliseconds: 1200)
      let ended = try client.exchange("GET", "/sessions/\(id)")
      try expectProblem(ended, 404, "no-such-session", fields: ["reason": .text("expired")])
    }
    #expect(store.summary().sessions == 0)
  }

  // MARK: Saved at the end

  @Test func whatIsSavedAtTheEndOnlyIsThereAgain() async throws {
    let options = ServiceOptions.testing { $0.durability = .none }
    var id = ""
    var first: [UInt8] = []
    try await serve(.copy, options) { client throws in
      let made = try client.exchange("POST", "/sessions", headers: [("Idempotency-Key", "a")])
      id = try #require(try made.object()["id"] as? String)
      for step in 1...3 { first = try client.post("/sessions/\(id)/step", body(step)).body }
      #expect(store.summary().sessions == 0)
    }
    #expect(store.summary().sessions == 1)
    try await serve(.copy, options) { client throws in
      let again = try client.post("/sessions/\(id)/step", body(3))
      #expect(again.header("Idempotent-Replayed") == "true")
      #expect(again.body == first)
      let made = try client.exchange("POST", "/sessions", headers: [("Idempotency-Key", "a")])
      #expect(try made.object()["id"] as? String == id)
      #expect(try client.post("/sessions/\(id)/step", body(4)).status == 200)
    }
    try await serve(.copy, options) { client throws in
      #expect(try client.exchange("GET", "/sessions/\(id)").object()["step"] as? Int == 4)
      #expect(try client.exchange("DELETE", "/sessions/\(id)").status == 204)
    }
    #expect(store.summary().sessions == 0)
  }
}
