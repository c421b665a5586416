import Logging
import Testing

@testable import NTMServer

/// Expiry while the wall clock jumps.
struct ClockTests {
  private let time = TestClock()

  private func table(timeToLive: Double) -> SessionTable {
    SessionTable(
      limits: .init(timeToLive: timeToLive, sessions: 10, bytes: .max),
      journal: Journal(MemorySessionStore(), .none, .silent, clock: time.clock))
  }

  @Test(arguments: [-7200.0, 7200, -1e9, 1e9])
  func aClockStepNeitherExpiresNorKeepsASession(_ step: Double) throws {
    let table = table(timeToLive: 10)
    let session = try table.make(.mixed)
    time.jump(seconds: step)
    time.pass(seconds: 9)
    table.expire()
    #expect(try table.find(session.id) === session)
    time.pass(seconds: 2)
    table.expire()
    #expect(table.count == 0)
    let problem = #expect(throws: Problem.self) { try table.find(session.id) }
    #expect(problem?.fields["reason"] == .text("expired"))
  }

  @Test func displayedTimesFollowTheWallClock() throws {
    let clock = time.clock
    let before = clock.now
    time.pass(seconds: 60)
    time.jump(seconds: -7200)
    let after = clock.now
    #expect(after.milliseconds - before.milliseconds == 60_000)
    #expect(clock.wallClock(after).milliseconds == after.milliseconds - 7_200_000)
    // All times of a session move together.
    #expect(clock.wallClock(before).milliseconds == before.milliseconds - 7_200_000)
    // Times that an earlier server stored do not move.
    let earlier = before.advanced(by: -1)
    #expect(clock.wallClock(earlier) == earlier)
  }

  @Test func displayedTimesIgnoreDifferencesOfReading() {
    let clock = time.clock
    let now = clock.now
    for milliseconds in [1.0, -2, 499] {
      time.jump(seconds: milliseconds / 1000)
      #expect(clock.wallClock(now) == now)
    }
    time.jump(seconds: 1)
    #expect(clock.wallClock(now).milliseconds == now.milliseconds + 1498)
    time.jump(seconds: 0.1)
    #expect(clock.wallClock(now).milliseconds == now.milliseconds + 1498)
  }
}

/// Times that a server with another clock has stored.
extension SessionStoreTests {
  @Test(arguments: Kind.allCases)
  func lastActivityInTheFutureIsCorrected(_ kind: Kind) throws {
    let store = try store(kind)
    try store.commit([creation(1), creation(2), creation(3, keepAlive: nil)])
    try store.commit([steps(2, 1, [[1]], at: 3_600_000), steps(3, 1, [[1]], at: 3_600_000)])
    let now = Self.now.advanced(by: 50)
    try store.correctTimes(after: now)
    #expect(
      try store.page(after: 0, limit: 9).map(\.lastActivity) == [Self.now, now, now])
    #expect(try store.page(after: 0, limit: 9).allSatisfy { $0.damage == nil })
    let expired = try store.expired(at: now.advanced(by: 100.001), since: now, limit: 9)
    #expect(expired.map(\.number).sorted() == [1, 2])
  }
}
