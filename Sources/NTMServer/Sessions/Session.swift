import NTMModel
import Synchronization

/// A client's own memory matrix, advancing step by step.
final class Session: Sendable {
  let id: String
  let model: ServedModel
  let createdAt: Timestamp
  /// Counts sessions in the order in which they were made; the list is sorted by it.
  let number: Int
  private let content: Mutex<Content>
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
    content = Mutex(Content(state: try model.model.makeState()))
  }

  var step: Int { stepCount.load(ordering: .relaxed) }

  var lastActivity: Timestamp { Timestamp(milliseconds: lastActivityTime.load(ordering: .relaxed)) }

  var stateBytes: Int { model.model.stateLayout.byteCount }

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

extension Problem {
  static func noSession(_ id: String) -> Problem {
    Problem(.noSuchSession, "there is no session \"\(id)\": it never was, or it has ended")
  }
}
