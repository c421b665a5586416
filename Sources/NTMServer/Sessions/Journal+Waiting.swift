import Logging
import Synchronization

/// Requests that wait for a commit are answered in time, even while the commit blocks.
extension Journal {
  /// The state that the watching thread reads.
  struct Watch: ~Copyable {
    /// Sessions with waiting requests; some have none any more.
    let sessions = Lock<[Session]>([])
    let discards = Lock<[Discard]>([])
    let isStopped = Monitor(false)
    let thread = Lock<SystemThread?>(nil)
  }

  /// Nanoseconds between two looks.
  private static let watchInterval = waitLimit / 10

  func startWatching() throws(HTTPServerError) {
    watch.isStopped.withLock { $0 = false }
    let started = try SystemThread { [self] in
      while watch.isStopped.wait(
        until: monotonicNanoseconds() + Self.watchInterval, { $0 ? true : nil }) == nil
      {
        noteStall(at: monotonicNanoseconds())
        answerOverdue(at: monotonicNanoseconds())
      }
    }
    watch.thread.withLock { $0 = started }
  }

  func stopWatching() {
    watch.isStopped.withLock { $0 = true }
    watch.isStopped.broadcast()
    let started = watch.thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    started?.join()
    // They refer to this journal: without this, neither would be released.
    watch.sessions.withLock { $0 = [] }
    watch.discards.withLock { $0 = [] }
  }

  /// Answers the requests that have waited for `waitLimit` at `now`.
  func answerOverdue(at now: UInt64) {
    guard now > Self.waitLimit else { return }
    let limit = now - Self.waitLimit
    let sessions = watch.sessions.withLock { sessions in
      defer { sessions = [] }
      return sessions
    }
    let waiting = sessions.filter { session in
      let (answers, isWaiting) = session.unsaved.withLock {
        $0.overdue(since: limit, isKept: durability != .always)
      }
      for answer in answers { answer() }
      return isWaiting
    }
    watch.sessions.withLock { $0 += waiting }
    let discards = watch.discards.withLock { discards in
      defer { discards = [] }
      return discards
    }
    let unanswered = discards.filter { !$0.answerIfOverdue(since: limit) }
    watch.discards.withLock { $0 += unanswered }
  }

  /// Refuses changes from now on if the current call of the store has taken `waitLimit` at `now`.
  func noteStall(at now: UInt64) {
    let began = callBegan.load(ordering: .sequentiallyConsistent)
    guard durability != .none, began > 0, now > began, now - began >= Self.waitLimit else { return }
    let error = StoreError(
      .failing, "the store has not answered for \(Self.waitLimit / 1_000_000_000) s or more")
    failure.withLock { $0 = error }
    let old = condition.bitwiseOr(Condition.stalled, ordering: .sequentiallyConsistent).oldValue
    if old == 0 { logger.error("sessions can't be saved: \(error)") }
    // The call may have ended meanwhile, and no other thread clears the condition.
    if callBegan.load(ordering: .sequentiallyConsistent) != began { noteAnswer() }
  }

  /// The store has answered.
  func noteAnswer() {
    guard condition.load(ordering: .sequentiallyConsistent) & Condition.stalled != 0 else { return }
    let old = condition.bitwiseAnd(~Condition.stalled, ordering: .sequentiallyConsistent).oldValue
    if old == Condition.stalled { logger.notice("the store answers again") }
  }

  /// Calls the store to write. Every such call comes from the journal's thread.
  func calling<Result>(_ call: () throws(StoreError) -> Result) throws(StoreError) -> Result {
    callBegan.store(monotonicNanoseconds(), ordering: .sequentiallyConsistent)
    defer {
      callBegan.store(0, ordering: .sequentiallyConsistent)
      noteAnswer()
    }
    return try call()
  }

  // MARK: Waiting for a commit

  /// Asks for a commit now rather than at the interval's end.
  func hurry() {
    queue.withLock { $0.isHurried = true }
    queue.broadcast()
  }

  /// Waits for the end of a commit that begins now, for a second at most.
  ///
  /// - Returns: whether that was in time
  func waitForCommit() -> Bool {
    let commits = queue.withLock { queue in
      queue.isHurried = true
      return queue.commits
    }
    queue.broadcast()
    // One may be under way.
    return queue.wait(until: monotonicNanoseconds() + 1_000_000_000) {
      $0.commits > commits + 1 || ($0.commits > commits && $0.sessions.isEmpty) ? true : nil
    } ?? false
  }
}
