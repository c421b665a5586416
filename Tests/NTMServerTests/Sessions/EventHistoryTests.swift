import Testing

@testable import NTMServer

struct EventHistoryTests {
  private func text(_ number: Int, bytes: Int = 4) -> [UInt8] {
    [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: bytes)
  }

  @Test func theNewestAreKept() {
    var history = EventHistory(after: 5)
    #expect(history.first == 6 && history.last == 5)
    for number in 1...3000 {
      history.append(text(number))
      #expect(history.last == 5 + number)
      #expect(history.first == max(6, 5 + number - EventHistory.limit + 1))
    }
    for number in history.first...history.last { #expect(history[number] == text(number - 5)) }
  }

  @Test func longOnesAreForgottenSooner() {
    var history = EventHistory()
    for number in 1...10 { history.append(text(number, bytes: EventHistory.byteLimit / 4)) }
    #expect(history.first == 7 && history.last == 10)
    // The newest stays, however long it is.
    history.append(text(11, bytes: 2 * EventHistory.byteLimit))
    #expect(history.first == 11 && history.last == 11)
    #expect(history[11].count == 2 * EventHistory.byteLimit)
    history.append(text(12))
    #expect(history.first == 12)
  }

  @Test func whatIsNotKnownIsSkipped() {
    var history = EventHistory()
    history.append(text(1))
    history.skip(to: 1)
    #expect(history.first == 1)
    history.skip(to: 4)
    #expect(history.first == 5 && history.last == 4)
    history.append(text(5))
    #expect(history[5] == text(5))
  }
}

struct SessionEventsTests {
  private let events = SessionEvents()

  @Test func eventsAreKeptForAWhileAfterTheLastWatcher() throws {
    var reserved = 0
    try events.prepare(StepFields(names: .output), largestResult: 10) {
      reserved += $0
      return true
    }
    // Once for each choice of fields.
    try events.prepare(StepFields(names: .output), largestResult: 10) { _ in false }
    #expect(throws: Problem.self) {
      try events.prepare(StepFields(names: .memory), largestResult: 10) { _ in false }
    }
    #expect(reserved == EventHistory.byteLimit)
    let now = monotonicNanoseconds()
    #expect(events.forgetUnwatched(now: now) == 0)
    #expect(events.forgetUnwatched(now: now + SessionEvents.grace + 1) == reserved)
    #expect(events.forgetUnwatched(now: now + SessionEvents.grace + 1) == 0)
  }

  @Test func theEndGivesBackWhatWasReserved() throws {
    try events.prepare(StepFields(names: .output), largestResult: 2 * EventHistory.byteLimit) { _ in
      true
    }
    #expect(events.end(.stopping("s"), isFinal: false) == 2 * EventHistory.byteLimit)
    #expect(events.end(.stopping("s")) == 0)
  }
}
