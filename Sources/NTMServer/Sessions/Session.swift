import NTMModel
import Synchronization

/// A client's own memory matrix, advancing step by step.
final class Session: Sendable {
  let id: String
  let model: ServedModel
  let createdAt: Timestamp
  /// Counts sessions in the order in which they were made; the list is sorted by it.
  let number: Int
  private let content: Lock<Content>
  /// Copies of what `content` says, so that a list never waits for a step.
  private let stepCount = Atomic<Int>(0)
  private let lastActivityTime: Atomic<Int64>

  /// What changes, under the session's lock.
  struct Content: ~Copyable {
    var state: State
    /// How many steps the session has taken.
    var step = 0
    /// The session has been deleted or has expired: whoever still waits for it comes too late.
    var hasEnded = false
  }

  init(model: ServedModel, number: Int, now: Timestamp) throws(AllocationError) {
    id = SessionID.make()
    self.model = model
    self.number = number
    createdAt = now
    lastActivityTime = Atomic(now.milliseconds)
    content = Lock(Content(state: try model.model.makeState()))
  }

  var step: Int { stepCount.load(ordering: .relaxed) }

  var lastActivity: Timestamp { Timestamp(milliseconds: lastActivityTime.load(ordering: .relaxed)) }

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
    guard !content.hasEnded else { throw .noSession(id) }
    lastActivityTime.store(Timestamp.now.milliseconds, ordering: .relaxed)
    defer {
      stepCount.store(content.step, ordering: .relaxed)
      lastActivityTime.store(Timestamp.now.milliseconds, ordering: .relaxed)
    }
    return try body(&content)
  }

  /// Ends the session if nobody uses it and it has been idle since `time`.
  func end(ifIdleSince time: Timestamp) -> Bool {
    guard lastActivity < time else { return false }
    return content.withLockIfAvailable { content in
      guard lastActivity < time, !content.hasEnded else { return false }
      content.hasEnded = true
      return true
    } ?? false
  }
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
    Problem(.noSuchSession, "there is no session \"\(id)\": it never was, or it has ended")
  }
}
