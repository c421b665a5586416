import Testing

@testable import NTMServer

struct ReaperTests {
  @Test func endsWhatNobodyAsksFor() throws {
    let table = SessionTable(limits: .init(timeToLive: 0.01, sessions: 10, bytes: .max))
    for _ in 0..<10 { _ = try table.make(.mixed) }
    let reaper = Reaper(table)
    try reaper.start()
    defer { reaper.stop() }
    // Hangs are ended by the time limit of the whole run.
    for _ in 0..<30_000 where table.count > 0 { pause(milliseconds: 1) }
    #expect(table.count == 0)
  }

  @Test func endsNothingBeforeItsTime() throws {
    let table = SessionTable(limits: .init(timeToLive: 3600, sessions: 10, bytes: .max))
    let session = try table.make(.mixed)
    let expiring = SessionTable(limits: .init(timeToLive: 0.01, sessions: 10, bytes: .max))
    let reapers = [Reaper(table), Reaper(expiring)]
    for reaper in reapers { try reaper.start() }
    defer { for reaper in reapers { reaper.stop() } }
    _ = try expiring.make(.mixed)
    for _ in 0..<30_000 where expiring.count > 0 { pause(milliseconds: 1) }
    #expect(try table.find(session.id) === session)
  }

  @Test func canBeStoppedAndStartedAgain() throws {
    let table = SessionTable(limits: .init(timeToLive: 0.01, sessions: 10, bytes: .max))
    let reaper = Reaper(table)
    reaper.stop()
    for _ in 0..<3 {
      try reaper.start()
      _ = try table.make(.mixed)
      for _ in 0..<30_000 where table.count > 0 { pause(milliseconds: 1) }
      #expect(table.count == 0)
      reaper.stop()
      reaper.stop()
    }
    // A stopped one ends nothing any more.
    _ = try table.make(.mixed)
    pause(milliseconds: 200)
    #expect(table.count == 1)
  }
}
