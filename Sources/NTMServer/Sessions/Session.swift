import NTMModel
import Synchronization

/// A client's own memory matrix, advancing step by step.
final class Session: Sendable {
  let id: String
  let model: ServedModel
  let createdAt: Timestamp
  /// Seconds without use after which the session ends; nil for never.
  let keepAlive: Double?
  /// Counts sessions in the order in which they were made; the list is sorted by it.
  let number: Int
  private let content: Lock<Content>
  private let turns = Lock(Turns())
  /// Tells watchers what happens to the session.
  let events = SessionEvents()
  /// Copies of what `content` says, so that a list never waits for a step.
  private let stepCount: Atomic<Int>
  private let lastActivityTime: Atomic<Int64>

  /// What changes, in the hands of whoever's turn it is.
  struct Content: ~Copyable {
    var state: State
    /// How many steps the session has taken.
    var step = 0
    /// The reply to the last steps, where their request asked for protection against repeats.
    var lastReply: RepeatableReply?
    /// The session has been deleted or has expired: whoever still waits for it comes too late.
    var ending: SessionEnding?
  }

  /// Where a session begins, if not at its model's start state.
  struct Start: ~Copyable {
    let state: State
    let step: Int
  }

  init(
    model: ServedModel, number: Int, now: Timestamp, keepAlive: Double?,
    start: consuming Start? = nil
  ) throws(AllocationError) {
    id = SessionID.make()
    self.model = model
    self.number = number
    self.keepAlive = keepAlive
    createdAt = now
    lastActivityTime = Atomic(now.milliseconds)
    if let start {
      stepCount = Atomic(start.step)
      let step = start.step
      content = Lock(Content(state: start.state, step: step))
    } else {
      stepCount = Atomic(0)
      content = Lock(Content(state: try model.model.makeState()))
    }
  }

  var step: Int { stepCount.load(ordering: .relaxed) }

  var lastActivity: Timestamp { Timestamp(milliseconds: lastActivityTime.load(ordering: .relaxed)) }

  /// nil for never.
  var expiresAt: Timestamp? { keepAlive.map { lastActivity.advanced(by: $0) } }

  var stateBytes: Int { model.stateBytes }

  /// A record of steps that are going to be taken, for those who watch.
  func record() -> StepRecord { events.record(StepResultWriter(model: model, session: id)) }

  /// Ends the session if nobody uses it and it has been idle for its time.
  ///
  /// - Returns: how it ended, if it did so now, and the bytes that it kept for its clients
  func endIfIdle(at now: Timestamp) -> (ending: SessionEnding, keptBytes: Int)? {
    guard let expiry = expiresAt, expiry < now, turns.withLock({ $0.take(.change) }) else {
      return nil
    }
    defer { passTurn() }
    return content.withLock { content in
      guard let expiry = expiresAt, expiry < now, content.ending == nil else { return nil }
      return end(&content, .expired, at: expiry)
    }
  }

  /// Ends the session, for its watchers too.
  ///
  /// - Returns: how it ended, and the bytes that it kept for its clients
  func end(
    _ content: inout Content, _ reason: SessionEnding.Reason, at time: Timestamp = .now
  ) -> (ending: SessionEnding, keptBytes: Int) {
    let ending = SessionEnding(reason: reason, at: time)
    content.ending = ending
    defer { content.lastReply = nil }
    return (ending, (content.lastReply?.bytes ?? 0) + events.end(.ended(id, ending)))
  }
}

// MARK: Turns

extension Session {
  /// Runs `body` at once, or not at all where it is not the caller's turn: nil then.
  ///
  /// - Throws: as `Turn.use`.
  func useIfFree<Result>(
    _ purpose: Turns.Purpose = .change, _ body: (inout Content) throws(Problem) -> Result
  ) throws(Problem) -> Result? {
    guard turns.withLock({ $0.take(purpose) }) else { return nil }
    defer { passTurn() }
    return try withContent(body)
  }

  /// Calls `start` when it is the caller's turn: at once, or later on the thread of whoever was
  /// before. It must return at once then, and do with the turn what it does on a worker.
  ///
  /// - Throws: `Problem` 503 where too many wait.
  func whenFree(
    _ purpose: Turns.Purpose = .change, _ start: @escaping @Sendable (Turn) -> Void
  ) throws(Problem) {
    switch turns.withLock({ $0.take(purpose, orLater: start) }) {
    case .first: start(Turn(self, hasWaited: false))
    case .waiting: break
    case .none:
      throw Problem(
        .overloaded, "\(Turns.limit) requests wait for session \"\(id)\" already; try again later",
        fields: ["limit": .number(Turns.limit)])
    }
  }

  /// Whoever's turn it was is done with the session.
  func passTurn() { hand(turns.withLock { $0.pass() }) }

  func setStreaming(_ isStreaming: Bool) {
    hand(
      turns.withLock { turns in
        turns.isStreaming = isStreaming
        return turns.pass(isHeld: false)
      })
  }

  private func hand(_ next: Turns.Waiter?) {
    if let next { next.start(Turn(self, hasWaited: true)) }
  }

  /// For whoever's turn it is.
  func withContent<Result>(
    _ body: (inout Content) throws(Problem) -> Result
  ) throws(Problem) -> Result {
    try content.withLock { content throws(Problem) in
      if let ending = content.ending { throw .sessionEnded(id, ending) }
      lastActivityTime.store(Timestamp.now.milliseconds, ordering: .relaxed)
      defer {
        stepCount.store(content.step, ordering: .relaxed)
        lastActivityTime.store(Timestamp.now.milliseconds, ordering: .relaxed)
      }
      return try body(&content)
    }
  }
}

/// How and when a session ended.
struct SessionEnding: Equatable, Sendable {
  enum Reason: String, CaseIterable {
    case expired, deleted
  }

  let reason: Reason
  let at: Timestamp
}

extension Session {
  /// Where work on a session is done.
  enum Place {
    /// On the event loop, unless the session is in use: cheap work.
    case loop
    /// On a worker: what would hold up other connections of the loop.
    case worker
  }

  /// Answers a request by work that has the session to itself.
  ///
  /// - Throws: `Problem` where the work was done at once and failed.
  func run(
    _ purpose: Turns.Purpose = .change, on place: Place = .loop,
    _ work: @escaping @Sendable (inout Content) throws(Problem) -> HTTPResponse
  ) throws(Problem) -> HTTPOutcome {
    if case .loop = place, let response = try useIfFree(purpose, work) {
      return .respond(response)
    }
    return .later { self.answer($0, purpose, work) }
  }

  /// As `run`, on a worker when it is the request's turn.
  func answer(
    _ completion: HTTPCompletion, _ purpose: Turns.Purpose = .change,
    _ work: @escaping @Sendable (inout Content) throws(Problem) -> HTTPResponse
  ) {
    completion.refusing { () throws(Problem) in
      try whenFree(purpose) { turn in
        completion.perform(isAdmitted: turn.hasWaited) {
          completion.refusing { () throws(Problem) in completion.finish(try turn.use(work)) }
        }
      }
    }
  }
}

extension HTTPCompletion {
  /// Does something that answers the request. Its problem is the answer where it has one.
  func refusing(_ body: () throws(Problem) -> Void) {
    do throws(Problem) { try body() } catch { finish(error.response) }
  }
}

extension HTTPOutcome {
  /// Work for a worker, whose problem is its answer.
  static func offloading(
    _ work: @escaping @Sendable () throws(Problem) -> HTTPResponse
  ) -> HTTPOutcome {
    .offload {
      do throws(Problem) { return try work() } catch { return error.response }
    }
  }
}

extension Problem {
  static func noSession(_ id: String) -> Problem {
    Problem(
      .noSuchSession, "there is no session \"\(id)\": it never was, or its end has been forgotten")
  }

  static func sessionEnded(_ id: String, _ ending: SessionEnding) -> Problem {
    let how =
      switch ending.reason {
      case .expired: "expired, because nobody used it,"
      case .deleted: "was deleted"
      }
    return Problem(
      .noSuchSession, "session \"\(id)\" \(how) at \(ending.at.text)",
      fields: ["reason": .text(ending.reason.rawValue), "ended_at": .text(ending.at.text)])
  }
}
