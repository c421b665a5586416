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
  /// Copies of what `content` says, so that a list never waits for a step.
  private let stepCount: Atomic<Int>
  private let lastActivityTime: Atomic<Int64>

  /// What changes, under the session's lock.
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

  /// Runs `body` when nobody else uses the session. This counts as activity.
  ///
  /// - Throws: `Problem` 404 where the session has ended meanwhile, or what `body` throws.
  func use<Result>(
    _ body: (inout Content) throws(Problem) -> Result
  ) throws(Problem) -> Result {
    try content.withLock { content throws(Problem) in try use(&content, body) }
  }

  /// As `use`, but nil at once where somebody else uses the session.
  func useIfFree<Result>(
    _ body: (inout Content) throws(Problem) -> Result
  ) throws(Problem) -> Result? {
    try content.withLockIfAvailable { content throws(Problem) in try use(&content, body) }
  }

  private func use<Result>(
    _ content: inout Content, _ body: (inout Content) throws(Problem) -> Result
  ) throws(Problem) -> Result {
    if let ending = content.ending { throw .sessionEnded(id, ending) }
    lastActivityTime.store(Timestamp.now.milliseconds, ordering: .relaxed)
    defer {
      stepCount.store(content.step, ordering: .relaxed)
      lastActivityTime.store(Timestamp.now.milliseconds, ordering: .relaxed)
    }
    return try body(&content)
  }

  /// Ends the session if nobody uses it and it has been idle for its time.
  ///
  /// - Returns: how it ended, if it did so now, and the bytes of the reply that it kept
  func endIfIdle(at now: Timestamp) -> (ending: SessionEnding, keptBytes: Int)? {
    guard let expiry = expiresAt, expiry < now else { return nil }
    return content.withLockIfAvailable { content in
      guard let expiry = expiresAt, expiry < now, content.ending == nil else { return nil }
      return content.end(.expired, at: expiry)
    } ?? nil
  }
}

extension Session.Content {
  /// Ends the session.
  mutating func end(
    _ reason: SessionEnding.Reason, at time: Timestamp = .now
  ) -> (ending: SessionEnding, keptBytes: Int) {
    let ending = SessionEnding(reason: reason, at: time)
    self.ending = ending
    defer { lastReply = nil }
    return (ending, lastReply?.bytes ?? 0)
  }
}

/// How and when a session ended.
struct SessionEnding: Equatable, Sendable {
  enum Reason: String {
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
    on place: Place = .loop,
    _ work: @escaping @Sendable (inout Content) throws(Problem) -> HTTPResponse
  ) throws(Problem) -> HTTPOutcome {
    if case .loop = place, let response = try useIfFree(work) { return .respond(response) }
    return .offloading({ () throws(Problem) in try self.use(work) })
  }

  /// A copy of a state of this session.
  ///
  /// - Throws: `Problem` 503 where the machine has no memory for it.
  func copy(_ state: borrowing State, for purpose: String) throws(Problem) -> State {
    do {
      return try state.copy()
    } catch {
      throw Problem(.limitReached, "the machine has no memory for \(purpose): \(error)")
    }
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
