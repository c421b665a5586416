import Testing

@testable import NTMServer

struct TurnsTests {
  private let session: Session
  private let order = Monitor<[String]>([])
  private let turns = Monitor<[Turn]>([])

  init() throws {
    session = try SessionTable(limits: SessionTable.Limits(.testing())).make(.copy)
  }

  /// Asks for a turn and keeps it.
  private func ask(_ name: String, _ purpose: Turns.Purpose = .change) throws {
    try session.whenFree(purpose) { [order, turns] turn in
      order.withLock { $0.append(name) }
      turns.withLock { $0.append(turn) }
    }
  }

  /// Whoever has the turn gives it back.
  private func pass() {
    let turn = turns.withLock { $0.removeLast() }
    withExtendedLifetime(turn) {}
  }

  private var asked: [String] { order.withLock { $0 } }

  @Test func turnsAreTakenInOrder() throws {
    for name in ["a", "b", "c"] { try ask(name) }
    #expect(asked == ["a"])
    #expect(try session.useIfFree { _ in 1 } == nil)
    pass()
    #expect(asked == ["a", "b"])
    pass()
    pass()
    #expect(asked == ["a", "b", "c"])
    #expect(try session.useIfFree { _ in 1 } == 1)
  }

  @Test func whileAStreamIsUnderWayOnlyLooksGetIn() throws {
    try ask("stream")
    var claim: StreamClaim? = StreamClaim(session)
    try ask("step")
    try ask("look", .look)
    pass()
    #expect(asked == ["stream", "look"])
    try ask("stream", .stream)
    try ask("look", .look)
    pass()
    #expect(asked == ["stream", "look", "stream"])
    pass()
    pass()
    #expect(asked == ["stream", "look", "stream", "look"])
    // Nobody has the turn, and still a step has to wait.
    #expect(try session.useIfFree { _ in 1 } == nil)
    #expect(try session.useIfFree(.look) { _ in 1 } == 1)
    withExtendedLifetime(claim) {}
    claim = nil
    #expect(asked.last == "step")
    pass()
    #expect(try session.useIfFree { _ in 1 } == 1)
  }

  @Test func anEndedStreamWaitsForWhoeverLooks() throws {
    try ask("stream")
    var claim: StreamClaim? = StreamClaim(session)
    try ask("step")
    pass()
    try ask("look", .look)
    withExtendedLifetime(claim) {}
    claim = nil
    #expect(asked == ["stream", "look"])
    pass()
    #expect(asked == ["stream", "look", "step"])
    pass()
  }

  @Test func onlySoManyWait() throws {
    for number in 0...Turns.limit { try ask("\(number)") }
    let refusal = #expect(throws: Problem.self) { try ask("one more") }
    #expect(refusal?.kind == .overloaded)
    // What the stream goes on with is not refused.
    try ask("stream", .stream)
    for _ in 0...Turns.limit + 1 { pass() }
    #expect(asked.count == Turns.limit + 2)
  }

  @Test func aSessionWithAStreamDoesNotExpire() throws {
    try ask("stream")
    var claim: StreamClaim? = StreamClaim(session)
    pass()
    let late = session.lastActivity.advanced(by: 1e6)
    #expect(session.endIfIdle(at: late) == nil)
    withExtendedLifetime(claim) {}
    claim = nil
    #expect(session.endIfIdle(at: late)?.reason == .expired)
  }
}
