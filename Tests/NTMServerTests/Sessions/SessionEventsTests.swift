import Testing

@testable import NTMServer

/// A watcher whose client reads when the test says so.
private final class TestWatcher {
  let buffer = StreamBuffer()
  private static let workers = try! WorkerPool(workers: 1, queueLimit: 1)

  init(_ session: Session, at place: WatcherPlace, after known: EventID? = nil) {
    session.events.watch(
      HTTPBodyStream(buffer, workers: Self.workers), at: place, after: known
    ) { .greeting(session, step: $0) }
  }

  /// The names of the events that have come, and the ids of those that have one.
  func read() -> [(name: String, id: EventID?, data: String)] {
    var bytes = [UInt8](repeating: 0, count: 4 << 20)
    guard case .bytes(let count) = bytes.withUnsafeMutableBytes({ buffer.read(into: $0) { {} } })
    else { return [] }
    return String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n\n").map { text in
      let fields = text.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1)[1] }
      return (
        String(fields[0]), fields.count == 3 ? EventID(String(fields[1])) : nil,
        String(fields.last!)
      )
    }
  }

  /// The client leaves.
  func leave() { buffer.close() }
}

struct SessionEventsTests {
  private static let state = ServedModel.mixed.stateBytes
  /// Room for this many sessions, and for events in the half that they may take.
  private let table = SessionTable(
    limits: .init(timeToLive: 3600, sessions: 100_000, bytes: 1 << 20))

  private func choice(_ top: Int = 0, largest: Int = 100) -> EventChannel.Choice {
    var fields = StepFields.standard
    fields.top = top > 0 ? top : nil
    return EventChannel.Choice(fields, largestResult: largest, cost: 100)
  }

  private var bytes: Int { table.metrics.bytes }

  private func publish(_ count: Int, length: Int = 0, on session: Session) {
    for _ in 0..<count {
      session.events.publish(
        .state("\(session.id)\(String(repeating: "x", count: length))", step: 7))
    }
  }

  // MARK: Reservations

  @Test func aPlaceThatIsNotTakenIsGivenBack() throws {
    let session = try table.make(.mixed)
    let before = bytes
    do {
      let places = try (1...5).map {
        try session.events.reserve(choice($0), of: session, mayWait: false)
      }
      #expect(bytes == before + places.count * EventChannel.firstBytes)
      #expect(table.watched.all.count == 1)
    }
    #expect(bytes == before)
    #expect(table.watched.all.isEmpty)
    #expect(session.events.stepCost == 0)
  }

  @Test func watchersWithTheSameChoiceShareAHistory() throws {
    let session = try table.make(.mixed)
    let before = bytes
    let watchers = try (0..<10).map { _ in
      TestWatcher(
        session, at: try session.events.reserve(choice(), of: session, mayWait: false))
    }
    #expect(bytes == before + EventChannel.firstBytes)
    publish(3, on: session)
    for watcher in watchers {
      #expect(watcher.read().map(\.name) == ["session", "state", "state", "state"])
    }
  }

  @Test func longEventsReserveMemoryForEachWatcher() throws {
    let session = try table.make(.mixed)
    let before = bytes
    let long = choice(largest: 100_000)
    let watchers = try (0..<2).map { _ in
      TestWatcher(session, at: try session.events.reserve(long, of: session, mayWait: false))
    }
    #expect(bytes == before + 3 * long.largestEvent)
    watchers[0].leave()
    #expect(bytes == before + 2 * long.largestEvent)
    session.events.end(.stopping(session.id), isFinal: false)
    // The other client has not read the end yet, but nothing more is kept for it.
    #expect(bytes == before)
  }

  @Test func aHistoryTakesMemoryAsItGrows() throws {
    let session = try table.make(.mixed)
    let before = bytes
    let watcher = TestWatcher(
      session, at: try session.events.reserve(choice(), of: session, mayWait: false))
    publish(10, length: 1000, on: session)
    #expect(bytes == before + EventChannel.firstBytes)
    publish(10, length: 1000, on: session)
    #expect(bytes == before + 2 * EventChannel.firstBytes)
    publish(1000, length: 1000, on: session)
    // Half of the memory is for states.
    #expect(bytes - before <= table.limits.bytes / 2)
    session.events.shrink()
    #expect(bytes == before + EventChannel.firstBytes)
    watcher.leave()
    session.events.forgetUnwatched()
    #expect(bytes == before)
  }

  @Test func choicesOfFieldsAreBounded() throws {
    let session = try table.make(.mixed)
    var watchers = try (1...SessionEvents.channelLimit).map {
      TestWatcher(session, at: try session.events.reserve(choice($0), of: session, mayWait: false))
    }
    let refusal = try #require(throws: Problem.self) {
      try session.events.reserve(choice(99), of: session, mayWait: false)
    }
    #expect(refusal.kind == .limitReached)
    #expect(refusal.fields["limit"] == .number(SessionEvents.channelLimit))
    let before = bytes
    // A channel without watchers is dropped first.
    watchers.removeFirst().leave()
    watchers.append(
      TestWatcher(session, at: try session.events.reserve(choice(99), of: session, mayWait: false)))
    #expect(bytes == before)
  }

  @Test func placesCountAsWatchers() throws {
    let session = try table.make(.mixed)
    let places = try (0..<SessionEvents.watcherLimit).map { _ in
      try session.events.reserve(choice(), of: session, mayWait: false)
    }
    #expect(throws: Problem.self) {
      try session.events.reserve(choice(), of: session, mayWait: false)
    }
    withExtendedLifetime(places) {}
  }

  // MARK: Histories without watchers

  /// Watches each of some sessions once, and leaves.
  private func leaveHistories(_ count: Int) throws -> [Session] {
    try (0..<count).map { _ in
      let session = try table.make(.mixed)
      let watcher = TestWatcher(
        session, at: try session.events.reserve(choice(), of: session, mayWait: false))
      watcher.leave()
      return session
    }
  }

  @Test func historiesAreKeptForAWhileAfterTheLastWatcher() throws {
    let session = try leaveHistories(1)[0]
    let before = bytes
    let now = monotonicNanoseconds()
    table.forgetOldEvents(now: now)
    #expect(bytes == before && table.watched.all.count == 1)
    // In between a watcher comes back and leaves again.
    TestWatcher(session, at: try session.events.reserve(choice(), of: session, mayWait: false))
      .leave()
    table.forgetOldEvents(now: now + SessionEvents.grace)
    #expect(bytes == before)
    table.forgetOldEvents(now: monotonicNanoseconds() + SessionEvents.grace)
    #expect(bytes == before - EventChannel.firstBytes)
    #expect(table.watched.all.isEmpty)
  }

  @Test func historiesThatNobodyWatchesTakeLittle() throws {
    let count = 20
    let sessions = try leaveHistories(count)
    let events = bytes - count * Self.state
    #expect(events == table.limits.bytes / 16)
    // The oldest were dropped.
    #expect(table.watched.all.allSatisfy { watched in !(watched === sessions[0]) })
    #expect(table.watched.all.contains { $0 === sessions[count - 1] })
  }

  @Test func newSessionsDropHistoriesThatNobodyWatches() throws {
    _ = try leaveHistories(3)
    for _ in 0..<(table.limits.bytes / Self.state) - 3 { _ = try table.make(.mixed) }
    #expect(throws: Problem.self) { try table.make(.mixed) }
    #expect(table.watched.all.isEmpty)
  }

  @Test func newSessionsShortenHistoriesThatSomebodyWatches() throws {
    let session = try table.make(.mixed)
    let watcher = TestWatcher(
      session, at: try session.events.reserve(choice(), of: session, mayWait: false))
    publish(1000, length: 1000, on: session)
    #expect(bytes > table.limits.bytes / 4)
    let room = table.limits.bytes - EventChannel.firstBytes - Self.state
    for _ in 0..<room / Self.state { _ = try table.make(.mixed) }
    #expect(throws: Problem.self) { try table.make(.mixed) }
    // Events that it has not read are missed, and counted.
    var (received, missed) = (0, 0)
    for _ in 0..<20 {
      for event in watcher.read() {
        if event.name == "missed" { missed += Int(event.data.filter(\.isNumber))! }
        if event.name == "state" { received += 1 }
      }
    }
    #expect(received + missed == 1000 && missed > 0)
  }

  @Test func watchersLeaveHalfOfTheMemoryToStates() throws {
    let session = try table.make(.mixed)
    let long = choice(largest: 100_000)
    var places: [WatcherPlace] = []
    let refusal = try #require(throws: Problem.self) {
      while places.count < SessionEvents.watcherLimit {
        places.append(try session.events.reserve(long, of: session, mayWait: false))
      }
    }
    #expect(refusal.fields["limit"] == .text("max_session_bytes"))
    #expect(bytes - Self.state <= table.limits.bytes / 2)
    #expect(places.count > 2)
    let count = places.count
    places = []
    #expect(bytes == Self.state)
    for _ in 0..<count {
      places.append(try session.events.reserve(long, of: session, mayWait: false))
    }
  }

  // MARK: Positions

  private func start(
    _ known: EventID?, firstStep: Int = 0, steps: Int = 0
  ) -> SessionEvents.State.Start {
    var state = SessionEvents.State(firstStep: firstStep)
    state.epoch = 5
    state.last = steps
    state.step = firstStep + steps
    return state.start(after: known)
  }

  @Test func aClientWithoutAnIDBeginsWithTheNextEvent() {
    #expect(start(nil, steps: 7) == .init(next: 8, isResumed: false))
  }

  @Test func aClientOfTheSameEpochContinuesAfterItsEvent() {
    #expect(
      start(EventID(epoch: 5, number: 3, step: 3), steps: 7) == .init(next: 4, isResumed: true))
    #expect(
      start(EventID(epoch: 5, number: 7, step: 7), steps: 7) == .init(next: 8, isResumed: true))
  }

  @Test(arguments: [0, 3, 10])
  func aClientOfAnotherEpochContinuesAfterItsStep(_ steps: Int) {
    // The session had 20 steps when this epoch began.
    for step in [0, 17, 20] {
      let known = EventID(epoch: 6, number: 1, step: step)
      #expect(
        start(known, firstStep: 20, steps: steps) == .init(next: 1 - (20 - step), isResumed: true))
    }
  }

  @Test func aClientOfASessionThatWentBackBeginsAnew() {
    for known in [
      EventID(epoch: 6, number: 1, step: 21), EventID(epoch: 5, number: 4, step: .max),
      EventID(epoch: 0, number: .max, step: .max),
    ] {
      #expect(
        start(known, firstStep: 20, steps: 3) == .init(next: 4, isResumed: false, missed: 4))
    }
  }

  // MARK: Heartbeats

  @Test func heartbeatsAreSentInSlices() throws {
    let count = 4 * SessionTable.heartbeats
    let table = SessionTable(limits: .init(timeToLive: 3600, sessions: 1000, bytes: 1 << 30))
    let watchers = try (0..<count).map { _ in
      let session = try table.make(.mixed)
      return TestWatcher(
        session,
        at: try session.events.reserve(choice(), of: session, mayWait: false))
    }
    for watcher in watchers { #expect(watcher.read().count == 1) }
    var received: [Int] = []
    func countHeartbeats() -> Int {
      watchers.count { watcher in
        var bytes = [UInt8](repeating: 0, count: 10)
        if case .bytes = bytes.withUnsafeMutableBytes({ watcher.buffer.read(into: $0) { {} } }) {
          return true
        }
        return false
      }
    }
    table.sendHeartbeats {
      received.append(countHeartbeats())
      return true
    }
    #expect(received == Array(repeating: SessionTable.heartbeats, count: 4))
    received = []
    table.sendHeartbeats {
      received.append(countHeartbeats())
      return received.count < 2
    }
    #expect(received.count == 2 && countHeartbeats() == 0)
  }

  /// What events cost decides whether a step is taken on an event loop.
  @Test func eventsCountInTheCostOfAStep() throws {
    let session = try table.make(.copy)
    #expect(session.events.stepCost == 0)
    let first = TestWatcher(
      session, at: try session.events.reserve(choice(), of: session, mayWait: false))
    let one = session.events.stepCost
    #expect(ServedModel.copy.isCheap(steps: 1, resultBytes: one))
    var others: [TestWatcher] = []
    for top in 1..<SessionEvents.channelLimit {
      var fields = StepFields.standard
      fields.top = top
      others.append(
        TestWatcher(
          session,
          at: try session.events.reserve(
            EventChannel.Choice(fields, of: .copy), of: session, mayWait: false)))
    }
    #expect(!ServedModel.copy.isCheap(steps: 1, resultBytes: session.events.stepCost))
    for watcher in others { watcher.leave() }
    session.events.forgetUnwatched()
    #expect(session.events.stepCost == one)
    first.leave()
  }
}
