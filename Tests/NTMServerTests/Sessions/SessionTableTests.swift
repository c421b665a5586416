import NTMModel
import Testing

@testable import NTMServer

struct SessionTableTests {
  private static let model = ServedModel.mixed
  private static var stateBytes: Int { model.model.stateLayout.byteCount }

  private let time = TestClock()

  private func table(
    timeToLive: Double = 3600, sessions: Int = 1000, bytes: Int = .max
  ) -> SessionTable {
    SessionTable(
      limits: .init(timeToLive: timeToLive, sessions: sessions, bytes: bytes),
      journal: Journal(MemorySessionStore(), .none, .silent, clock: time.clock))
  }

  // MARK: Limits

  @Test(arguments: [
    (name: "sessions", sessions: 3, states: 1000, limit: "max_sessions"),
    (name: "bytes", sessions: 1000, states: 3, limit: "max_session_bytes"),
  ])
  func aLimitIsKept(
    _ expected: (name: String, sessions: Int, states: Int, limit: String)
  ) throws {
    // One byte less than a fourth would need.
    let table = table(
      sessions: expected.sessions, bytes: (expected.states + 1) * Self.stateBytes - 1)
    let made = try (0..<3).map { _ in try table.make(Self.model) }
    for _ in 0..<3 {
      let refusal = try #require(throws: Problem.self) { try table.make(Self.model) }
      #expect(refusal.kind == .limitReached)
      #expect(refusal.fields["limit"] == .text(expected.limit))
      #expect(refusal.headers["Retry-After"] == "60")
    }
    #expect(table.count == 3)
    // A refusal takes no room, and what ends gives its room back, once.
    for session in made {
      table.delete(session)
      table.delete(session)
    }
    #expect(table.count == 0)
    for _ in 0..<3 { _ = try table.make(Self.model) }
    #expect(throws: Problem.self) { try table.make(Self.model) }
  }

  @Test func statesOfDifferentSizesShareTheRoom() throws {
    let large = ServedModel.copy
    let table = table(bytes: large.model.stateLayout.byteCount + 2 * Self.stateBytes)
    let first = try table.make(large)
    #expect(throws: Problem.self) { try table.make(large) }
    _ = try table.make(Self.model)
    _ = try table.make(Self.model)
    #expect(throws: Problem.self) { try table.make(Self.model) }
    table.delete(first)
    _ = try table.make(large)
    #expect(throws: Problem.self) { try table.make(Self.model) }
  }

  @Test(arguments: [
    (timeToLive: 0.5, retryAfter: "1"), (timeToLive: 20, retryAfter: "20"),
    (timeToLive: 1e9, retryAfter: "60"),
  ])
  func retryAfterIsNoLongerThanASessionLives(_ timeToLive: Double, _ retryAfter: String) throws {
    let table = table(timeToLive: timeToLive, sessions: 0)
    let refusal = try #require(throws: Problem.self) { try table.make(Self.model) }
    #expect(refusal.headers["Retry-After"] == retryAfter)
  }

  @Test func aFullTableMakesRoomOfWhatHasExpired() throws {
    let table = table(timeToLive: 10, sessions: 2)
    let old = try [table.make(Self.model), table.make(Self.model)]
    time.pass(seconds: 11)
    let new = try table.make(Self.model)
    #expect(table.count == 1)
    for session in old {
      #expect(throws: Problem.ended(session)) { try table.find(session.id) }
    }
    #expect(!old.contains { $0.id == new.id })
  }

  /// Where sessions can wait in a store, there is room.
  @Test(arguments: [Transport.router, .socket])
  func aLimitIsToldToTheClient(_ transport: Transport) async throws {
    let pool = try ModelPool([Self.model])
    for (options, limit, detail) in [
      (
        ServiceOptions.testing { $0.maxSessions = 2 }, "max_sessions",
        "the server holds at most 2 sessions. Delete sessions, or wait until some expire"
      ),
      (
        .testing { $0.maxSessionBytes = 2 * Self.stateBytes }, "max_session_bytes",
        "the server's sessions hold at most \(2 * Self.stateBytes) bytes; another one needs "
          + "\(Self.stateBytes). Delete sessions, or wait until some expire"
      ),
    ] {
      try await withService(transport, pool, options) { client in
        let first = try await client.makeSession()
        _ = try await client.makeSession()
        let refused = try await client.post("/sessions")
        try expectProblem(
          refused, 503, "limit-reached", detail: detail, fields: ["limit": .text(limit)])
        #expect(refused.header("Retry-After") == "60")
        #expect(try await client.delete("/sessions/\(first)").status == 204)
        _ = try await client.makeSession()
        try expectProblem(try await client.post("/sessions"), 503, "limit-reached")
      }
    }
  }

  // MARK: Expiry

  @Test func aSessionExpiresItsTimeAfterItsLastUse() throws {
    let table = table(timeToLive: 100)
    let session = try table.make(Self.model)
    #expect(session.expiresAt == session.lastActivity.advanced(by: 100))
    // Not yet at the moment itself, and for certain a millisecond behind it.
    time.pass(seconds: 100)
    table.expire()
    #expect(try table.find(session.id) === session)
    time.pass(seconds: 0.001)
    table.expire()
    let ended = Problem.sessionEnded(
      session.id,
      SessionEnding(reason: .expired, at: session.lastActivity.advanced(by: 100)))
    #expect(throws: ended) { try table.find(session.id) }
    #expect(table.count == 0)
    #expect(throws: ended) { try session.use { _ in } }
  }

  @Test func useKeepsASessionAlive() throws {
    let table = table(timeToLive: 100)
    let used = try table.make(Self.model)
    let unused = try table.make(Self.model)
    time.pass(seconds: 50)
    try used.use { _ in }
    #expect(used.lastActivity == unused.lastActivity.advanced(by: 50))
    time.pass(seconds: 50.001)
    table.expire()
    #expect(try table.find(used.id) === used)
    #expect(throws: Problem.ended(unused)) { try table.find(unused.id) }
  }

  @Test func aRefusedUseIsUseToo() throws {
    let session = try table().make(Self.model)
    let made = session.lastActivity
    time.pass(seconds: 1)
    #expect(throws: Problem.self) {
      try session.use { _ throws(Problem) in throw Problem(.notFinite, "as a test") }
    }
    #expect(session.lastActivity > made)
  }

  @Test func aSessionInUseDoesNotExpire() throws {
    let table = table(timeToLive: 10)
    let session = try table.make(Self.model)
    try session.use { _ in
      time.pass(seconds: 11)
      table.expire()
      #expect(table.count == 1)
      // Whoever asks for it meanwhile finds it.
      #expect((try? table.find(session.id)) === session)
    }
    time.pass(seconds: 11)
    #expect(throws: Problem.ended(session)) { try table.find(session.id) }
  }

  @Test func whatHasExpiredIsNotFoundBeforeItIsReaped() throws {
    let table = table(timeToLive: 10)
    let session = try table.make(Self.model)
    time.pass(seconds: 11)
    #expect(table.count == 1)
    #expect(throws: Problem.ended(session)) { try table.find(session.id) }
    #expect(table.count == 0)
  }

  @Test func anEndedSessionCannotBeUsedByWhoeverStillHoldsIt() throws {
    let session = try table().make(Self.model)
    try session.use { $0.ends = .deleted }
    for use in [{ try session.use { _ in } }, { _ = try session.useIfFree { _ in } }] {
      let refusal = #expect(throws: Problem.self) { try use() }
      #expect(refusal?.kind == .noSuchSession)
      #expect(refusal?.fields["reason"] == .text("deleted"))
    }
  }

  @Test func whoeverFindsASessionBusyIsToldSo() throws {
    let session = try table().make(Self.model)
    try session.use { _ in
      let other = try? onThreads(1) { _ in try session.useIfFree { _ in 1 } }
      #expect(other == [nil])
    }
    #expect(try session.useIfFree { _ in 1 } == 1)
  }

  // MARK: Pages

  @Test func pagesAreInTheOrderOfMaking() throws {
    let table = table()
    let made = try (0..<10).map { _ in try table.make(Self.model) }
    table.delete(made[4])
    let left = made.filter { $0 !== made[4] }
    let first = try table.page(after: 0, limit: 6)
    #expect(first.sessions.map(\.record.id) == left.prefix(6).map(\.id))
    #expect(first.hasMore)
    let second = try table.page(after: try #require(first.sessions.last).record.number, limit: 6)
    #expect(second.sessions.map(\.record.id) == left.dropFirst(6).map(\.id))
    #expect(!second.hasMore)
    // Nothing more, although the page is full.
    #expect(try !table.page(after: 0, limit: 9).hasMore)
    #expect(try table.page(after: .max, limit: 9).sessions.isEmpty)
  }
}
