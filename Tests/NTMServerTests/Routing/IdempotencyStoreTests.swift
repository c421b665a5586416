import Testing

@testable import NTMServer

struct IdempotencyStoreTests {
  private let time = TestClock()
  private let store: IdempotencyStore
  private let request = HTTPRequest(method: "POST", path: "/sessions")

  init() { store = IdempotencyStore(clock: time.clock) }

  private func store(bytes: Int) -> IdempotencyStore {
    IdempotencyStore(limits: KeyTable.Limits(bytes: bytes), clock: time.clock)
  }

  private func respond(
    _ key: String, _ status: Int = 200, bytes: Int = 10, to store: IdempotencyStore? = nil,
    scope: String? = nil, step: Int = 1
  ) throws(Problem) -> HTTPOutcome {
    let request = HTTPRequest(method: "POST", path: "/sessions")
    request.note { $0.keyName = scope }
    return try (store ?? self.store).run(key, request) { claim throws(Problem) in
      let response = HTTPResponse(status: status, body: [UInt8](repeating: 1, count: bytes))
      _ = claim.reply(response, AppliedSteps("s", step: step))
      return .respond(response)
    }
  }

  private func isReplay(_ outcome: HTTPOutcome) -> Bool {
    guard case .respond(let response) = outcome else { return false }
    return response.headers.contains { $0.name == "Idempotent-Replayed" }
  }

  @Test func whileTheFirstRunsTheSecondIsRefused() throws {
    let outcome = try store.run("k", request) { _ throws(Problem) in
      .offload { HTTPResponse(status: 200, headers: [], body: []) }
    }
    let refusal = #expect(throws: Problem.self) { try respond("k") }
    #expect(refusal?.kind == .keyInUse)
    guard case .offload(let work) = outcome else { return #expect(Bool(false)) }
    #expect(work().status == 200)
    #expect(isReplay(try respond("k")))
  }

  @Test func workThatIsDroppedFreesItsKey() throws {
    do {
      _ = try store.run("k", request) { _ throws(Problem) in
        .offload { HTTPResponse(status: 200, headers: [], body: []) }
      }
    }
    #expect(!isReplay(try respond("k")))
  }

  @Test func aKeyIsKeptForItsTimeHoweverManyOthersCome() throws {
    _ = try respond("precious")
    for number in 0..<20_000 { _ = try respond("\(number)", bytes: 0) }
    time.pass(seconds: 24 * 3600)
    time.jump(seconds: 1e9)
    #expect(isReplay(try respond("precious")))
    time.pass(seconds: 0.002)
    #expect(!isReplay(try respond("precious")))
    _ = try respond("0")
    #expect(store.queueLength < 1100)
    #expect(store.bytes < 3 * (KeyTable.keyCost + KeyTable.replyCost + 10))
  }

  @Test func bodiesAreForgottenFirstAndTheStepIsKnown() throws {
    let store = store(bytes: 100 * KeyTable.keyCost)
    for number in 1...80 {
      _ = try respond("\(number)", bytes: 10 * KeyTable.keyCost, to: store, step: number)
    }
    #expect(store.bytes <= 100 * KeyTable.keyCost)
    let problem = #expect(throws: Problem.self) {
      try respond("1", bytes: 10 * KeyTable.keyCost, to: store, step: -1)
    }
    #expect(problem?.kind == .replyForgotten)
    #expect(problem?.fields == ["session": .text("s"), "step": .number(1)])
    #expect(isReplay(try respond("80", to: store)))
  }

  @Test func newKeysAreRefusedWhenKeysAloneReachTheLimit() throws {
    // Each key has the step "s 1".
    let store = store(bytes: 10 * (KeyTable.keyCost + 3))
    for number in 0..<10 { _ = try respond("\(number)", bytes: 0, to: store) }
    time.pass(seconds: 3600)
    let problem = #expect(throws: Problem.self) { try respond("new", to: store) }
    #expect(problem?.kind == .limitReached)
    #expect(problem?.fields["limit"] == .text("max_idempotency_bytes"))
    #expect(problem?.headers["Retry-After"] == "3600")
    let first = #expect(throws: Problem.self) { try respond("0", to: store) }
    #expect(first?.kind == .replyForgotten)
    time.pass(seconds: 23 * 3600 + 1)
    #expect(!isReplay(try respond("new", to: store)))
  }

  @Test func aReplyThatIsTooLongDisplacesNoOther() throws {
    let store = store(bytes: 1000 * KeyTable.keyCost)
    _ = try respond("a", to: store)
    _ = try respond("long", bytes: 251 * KeyTable.keyCost, to: store, step: 7)
    #expect(isReplay(try respond("a", to: store)))
    let problem = #expect(throws: Problem.self) { try respond("long", to: store) }
    #expect(problem?.fields["step"] == .number(7))
  }

  @Test func eachAPIKeyHasKeysOfItsOwn() throws {
    #expect(!isReplay(try respond("k", scope: "alice")))
    #expect(!isReplay(try respond("k", scope: "bob")))
    #expect(!isReplay(try respond("k")))
    for scope in ["alice", "bob", nil] { #expect(isReplay(try respond("k", scope: scope))) }
  }

  @Test func aRequestThatRunsLongKeepsItsKey() throws {
    let outcome = try store.run("k", request) { _ throws(Problem) in
      .offload { HTTPResponse(status: 200, headers: [], body: []) }
    }
    time.pass(seconds: 25 * 3600)
    let refusal = #expect(throws: Problem.self) { try respond("k") }
    #expect(refusal?.kind == .keyInUse)
    guard case .offload(let work) = outcome else { return #expect(Bool(false)) }
    _ = work()
    #expect(isReplay(try respond("k")))
  }

  @Test func keysOfRefusedRequestsLeaveNothingBehind() throws {
    for number in 0..<5000 { _ = try respond("\(number)", 404) }
    #expect(store.queueLength <= 1001)
    #expect(store.bytes == 0)
    #expect(!isReplay(try respond("0")))
    #expect(isReplay(try respond("0")))
  }

  /// Requests arrive, end and expire in any order.
  @Test(arguments: 1...20)
  func theLimitHoldsWhateverTheOrder(_ seed: UInt64) {
    var generator = SplitMix(seed: seed)
    let limit = 12 * KeyTable.keyCost
    var table = KeyTable(KeyTable.Limits(timeToLive: 1, bytes: limit))
    var running: [(id: KeyID, number: Int)] = []
    var age: Int64 = 0
    for index in 0..<3000 {
      age += Int64.random(in: 0...200, using: &generator)
      if running.isEmpty || Bool.random(using: &generator) {
        let id = KeyID("\(index)", scope: nil)
        let arrival = table.arrive(
          id, unscoped: id, KeyFingerprint(Fingerprint([[1]])), at: age)
        if case .first(_, let number, _) = arrival { running.append((id, number)) }
      } else {
        let ended = running.remove(at: Int.random(in: running.indices, using: &generator))
        let body = [UInt8](
          repeating: 1, count: Int.random(in: 0...2 * KeyTable.keyCost, using: &generator))
        let isRefused = Int.random(in: 0..<4, using: &generator) == 0
        table.finish(
          ended.id, ended.number, isRefused ? nil : HTTPResponse(status: 200, body: body), nil)
      }
      #expect(table.bytes <= limit)
      #expect(table.count >= running.count)
    }
    for ended in running { table.finish(ended.id, ended.number, nil, nil) }
    table.expire(at: age + 10_000)
    #expect(table.bytes == 0)
    #expect(table.count == 0)
  }

  // MARK: From the store

  private func stored(
    _ key: String, _ part: Int? = nil, age: Int64? = 5, status: Int = 200
  ) -> KeyedReply {
    KeyedReply(
      key: age == nil ? key : KeyID(key, scope: nil).text, fingerprint: Self.fingerprint,
      part: part,
      response: HTTPResponse(status: status, body: [1]), applied: AppliedSteps("s", step: 3),
      age: age)
  }

  /// Of `request`.
  private static let fingerprint = Lock<Fingerprint?>(nil).withLock { known in
    _ = try? IdempotencyStore().run("k", HTTPRequest(method: "POST", path: "/sessions")) { claim in
      known = claim.reply(HTTPResponse(status: 200), nil).fingerprint
      return .respond(HTTPResponse(status: 200))
    }
    return known!
  }

  /// Time without a server does not count, and neither does the wall clock.
  @Test func theTimeOfAKeyGoesOnAfterARestart() throws {
    let hour: Int64 = 3_600_000
    let store = IdempotencyStore(
      [stored("old", age: 2 * hour), stored("new", age: 20 * hour)], clock: time.clock)
    time.pass(seconds: 5 * 3600)
    #expect(isReplay(try respond("old", to: store)))
    time.pass(seconds: 2 * 3600)
    #expect(!isReplay(try respond("old", to: store)))
    #expect(isReplay(try respond("new", to: store)))
    #expect(store.age == 27 * hour)
  }

  /// Older versions stored keys without scopes.
  @Test func aKeyOfAnOlderVersionIsInAllScopes() throws {
    let store = IdempotencyStore([stored("k", age: nil)], clock: time.clock)
    for scope in ["alice", nil] {
      #expect(isReplay(try respond("k", to: store, scope: scope)))
      #expect(!isReplay(try respond("l", to: store, scope: scope)))
    }
  }

  @Test func aForgottenReplyStaysForgotten() throws {
    let store = IdempotencyStore([stored("k", status: 0)], clock: time.clock)
    let problem = #expect(throws: Problem.self) { try respond("k", to: store) }
    #expect(problem?.kind == .replyForgotten)
    #expect(problem?.fields["step"] == .number(3))
  }

  /// Parts of a request that an earlier server has not answered.
  @Test func partsBelongToTheirRequest() throws {
    let store = IdempotencyStore([stored("k", 0), stored("k", 1)], clock: time.clock)
    let other = HTTPRequest(method: "POST", path: "/other")
    let refusal = #expect(throws: Problem.self) {
      try store.run("k", other) { _ in .respond(HTTPResponse(status: 200)) }
    }
    #expect(refusal?.kind == .keyReused)
    // A refusal does not free the key: parts were carried out.
    for status in [404, 200] {
      _ = try store.run("k", request) { claim in
        #expect(claim.parts.keys.sorted() == [0, 1])
        return .respond(HTTPResponse(status: status))
      }
    }
    #expect(isReplay(try respond("k", to: store)))
  }

  @Test(arguments: [
    (header: "a", key: "a"), (header: "\"a b\"", key: "a b"), (header: "\"", key: "\""),
    (header: String(repeating: "~", count: 255), key: String(repeating: "~", count: 255)),
    (header: "", key: nil), (header: "\"\"", key: nil),
    (header: String(repeating: "a", count: 256), key: nil),
    // Two clients may spell them in two ways, so they would not be the same key everywhere.
    (header: "é", key: nil), (header: "a\u{7f}", key: nil), (header: "a\tb", key: nil),
    (header: "\u{fffd}", key: nil),
  ])
  func aKeyIsPrintableASCII(_ expected: (header: String, key: String?)) throws {
    let request = HTTPRequest(
      method: "POST", path: "/sessions", headers: [("Idempotency-Key", expected.header)])
    guard let key = expected.key else {
      let problem = #expect(throws: Problem.self) { try IdempotencyStore.key(of: request) }
      #expect(problem?.kind == .malformedRequest)
      return
    }
    #expect(try IdempotencyStore.key(of: request) == key)
  }
}
