import Logging
import NTMModel
import Synchronization

/// The thread that writes to the store.
extension Journal {
  /// Sessions in a commit.
  private static let batch = 4096

  func start() throws(HTTPServerError) {
    guard store.outlivesProcess else { return }
    queue.withLock { queue in
      queue.isStopping = false
      queue.hasEnded = false
    }
    try startWatching()
    do throws(HTTPServerError) {
      let started = try SystemThread { [self] in run() }
      thread.withLock { $0 = started }
    } catch {
      stopWatching()
      throw error
    }
  }

  /// Changes that are written together.
  private struct Work {
    var sessions: [Session]
    var discards: [Discard]
    var quarantines: [(record: SessionRecord, reason: String)] = []
  }

  /// A change in a commit.
  private enum Entry {
    case session(Session, UnsavedChange)
    case discard(Discard)

    var stored: StoredChange {
      switch self {
      case .session(let session, let change): StoredChange(session, change)
      case .discard(let discard): discard.change
      }
    }
  }

  /// Why the store as a whole can't be written, and the changes that are not saved.
  private struct Failure {
    let error: StoreError
    var entries: [Entry]
  }

  private func run() {
    while let work = next() {
      let began = monotonicNanoseconds()
      commitBegan.store(began, ordering: .relaxed)
      write(work)
      commitBegan.store(0, ordering: .relaxed)
      queue.withLock { $0.commits += 1 }
      queue.broadcast()
      rest(since: began)
    }
    finish()
  }

  /// The next changes, as soon as there are some; nil at the end.
  private func next() -> Work? {
    queue.wait { queue in
      guard !queue.isEmpty else { return queue.isStopping ? .some(nil) : nil }
      return Self.takeWork(&queue)
    }
  }

  private static func takeWork(_ queue: inout Queue) -> Work {
    defer {
      queue.sessions = []
      queue.discards = []
      queue.quarantines = []
      queue.isHurried = false
    }
    return Work(
      sessions: queue.sessions, discards: queue.discards, quarantines: queue.quarantines)
  }

  /// Lets changes come together that no request waits for, and a failing disk recover.
  private func rest(since began: UInt64) {
    guard isStoreFailing else {
      guard durability != .always else { return }
      _ = queue.wait(until: began + Self.interval) { $0.isHurried || $0.isStopping ? true : nil }
      return
    }
    // Changes that are kept are tried again. Without any, only a probe notices when the store works.
    while isStoreFailing {
      let isAlways = durability == .always
      _ = queue.wait(until: monotonicNanoseconds() + Self.interval) {
        $0.isStopping || (isAlways && !$0.isEmpty) ? true : nil
      }
      guard queue.withLock({ $0.isEmpty && !$0.isStopping }) else { return }
      if probe() == nil { recovered() }
    }
  }

  private var isStoreFailing: Bool {
    condition.load(ordering: .relaxed) & Condition.failing != 0
  }

  /// - Returns: why the store can't be written; nil if it can
  private func probe() -> StoreError? {
    do throws(StoreError) {
      try calling { () throws(StoreError) in try store.probe() }
      return nil
    } catch {
      return error
    }
  }

  // MARK: Commits

  /// Writes changes. If the store fails, they are withdrawn or put back.
  private func write(_ work: Work) {
    for (record, reason) in work.quarantines { writeQuarantine(record, reason) }
    var failure: Failure?
    for start in stride(from: 0, to: work.sessions.count, by: Self.batch) {
      let sessions = work.sessions[start..<min(start + Self.batch, work.sessions.count)]
      commit(Self.entries(of: sessions)[...], &failure)
    }
    for start in stride(from: 0, to: work.discards.count, by: Self.batch) {
      let discards = work.discards[start..<min(start + Self.batch, work.discards.count)]
      commit(discards.map { Entry.discard($0) }[...], &failure)
    }
    if let failure { failed(failure) }
  }

  /// Takes the changes of sessions for a commit.
  private static func entries(of sessions: some Sequence<Session>) -> [Entry] {
    sessions.compactMap { session in
      session.unsaved.withLock { $0.take() }.map { .session(session, $0) }
    }
  }

  /// Commits changes together. If one of them keeps the others from being saved, it is found by halving.
  ///
  /// - Parameter failure: of the store as a whole; nothing more is written after one
  private func commit(_ entries: ArraySlice<Entry>, _ failure: inout Failure?) {
    guard !entries.isEmpty else { return }
    guard failure == nil else {
      failure?.entries += entries
      return
    }
    let began = monotonicNanoseconds()
    do throws(StoreError) {
      try calling { () throws(StoreError) in try store.commit(entries.map(\.stored)) }
      metrics.committed(entries.count, nanoseconds: monotonicNanoseconds() - began)
      recovered()
      for entry in entries {
        switch entry {
        case .session(let session, let change): session.saved(change)
        case .discard(let discard): discard.finish(.saved)
        }
      }
    } catch {
      metrics.failed()
      guard error.concernsOneChange else {
        failure = Failure(error: error, entries: Array(entries))
        return
      }
      guard entries.count > 1 else {
        // If nothing can be written, it is not the fault of this change.
        if let general = probe() {
          failure = Failure(error: general, entries: Array(entries))
        } else {
          for entry in entries { rejected(entry, error) }
        }
        return
      }
      let middle = entries.startIndex + entries.count / 2
      commit(entries[..<middle], &failure)
      commit(entries[middle...], &failure)
    }
  }

  private func writeQuarantine(_ record: SessionRecord, _ reason: String) {
    do throws(StoreError) {
      try calling { () throws(StoreError) in try store.quarantine(record.number, reason) }
    } catch {
      logger.error("the damage of session \(record.id) could not be noted in the store: \(error)")
    }
  }

  // MARK: Failures

  /// The store rejects one change and accepts others.
  private func rejected(_ entry: Entry, _ error: StoreError) {
    metrics.rejected()
    switch entry {
    case .discard(let discard):
      logger.error("the store rejects the end of session \(discard.change.session): \(error)")
      discard.finish(.withdrawn(.notSaved(error)))
    case .session(let session, let change):
      logger.error("the store rejects a change of session \(session.id): \(error)")
      rejected(session, change, error)
    }
  }

  private func rejected(_ session: Session, _ change: UnsavedChange, _ error: StoreError) {
    let (isStored, isAtRisk) = session.unsaved.withLock { ($0.isStored, $0.isAtRisk) }
    if durability != .always, isAtRisk { lose([session.id], error.reason) }
    if isStored, error.kind == .damaged {
      session.quarantine(error.reason)
    } else if change.isEmpty {
      // Only the time of the last use is not saved.
      session.saved(change)
    } else if !isStored || durability == .always {
      session.rollBack(.changeRejected(session.id, error.reason))
    } else {
      // Its client has replies to steps that are lost, and must not go on as if nothing had happened.
      session.quarantine(
        "its changes after step \(session.unsaved.withLock { $0.storedStep }) were rejected: "
          + error.reason)
    }
  }

  /// The store as a whole can't be written.
  private func failed(_ failure: Failure) {
    let error = failure.error
    self.failure.withLock { $0 = error }
    let old = condition.bitwiseOr(Condition.failing, ordering: .sequentiallyConsistent).oldValue
    if old & Condition.failing == 0 { logger.error("sessions can't be saved: \(error)") }
    // Requests that wait for the next commit get their answer now.
    let queued = queue.withLock { queue in
      defer {
        queue.sessions = []
        queue.discards = []
      }
      return Work(sessions: queue.sessions, discards: queue.discards)
    }
    var kept: [ObjectIdentifier: Session] = [:]
    withdraw(failure.entries, error, &kept)
    // Only now, because a session may have one change in the commit and another in the queue.
    withdraw(
      Self.entries(of: queued.sessions) + queued.discards.map { Entry.discard($0) }, error, &kept)
    guard !kept.isEmpty else { return }
    if queue.withLock({ $0.isStopping }) {
      lose(Array(kept.values), error.reason)
    } else {
      enqueue(Array(kept.values))
    }
  }

  /// Takes back changes that can't be saved, or keeps them in memory.
  ///
  /// - Parameter kept: receives the sessions that are to be saved later
  private func withdraw(
    _ entries: [Entry], _ error: StoreError, _ kept: inout [ObjectIdentifier: Session]
  ) {
    let problem = Problem.notSaved(error)
    for entry in entries {
      switch entry {
      case .discard(let discard): discard.finish(.withdrawn(problem))
      case .session(let session, _) where durability == .always: session.rollBack(problem)
      case .session(let session, _):
        kept[ObjectIdentifier(session)] = session
        for waiter in session.unsaved.withLock({ $0.putBack() }) { waiter.finish(.kept) }
      }
    }
  }

  private func recovered() {
    let old = condition.bitwiseAnd(~Condition.failing, ordering: .sequentiallyConsistent).oldValue
    if old & Condition.failing != 0 { logger.notice("sessions are saved again") }
  }

  // MARK: The end

  /// States that are copied at a time to be written.
  private static let copies = 256

  /// Writes the remaining changes and closes the store.
  func finish() {
    if let final = queue.withLock({ $0.final }) {
      if keeps == .states { write(final) }
      if durability != .always {
        lose(final.sessions, failure.withLock { $0?.reason } ?? "there is no memory for a copy")
      }
    }
    _ = try? calling { () throws(StoreError) in store.close() }
    queue.withLock { queue in
      queue.final = nil
      queue.hasEnded = true
    }
    queue.broadcast()
  }

  /// Writes the states of the sessions in memory, and the replies.
  private func write(_ final: Final) {
    for start in stride(from: 0, to: final.sessions.count, by: Self.copies) {
      guard !isStoreFailing else { return }
      // Copying waits for a session's user, who may wait for the store.
      _ = try? calling { () throws(StoreError) in
        for session in final.sessions[start..<min(start + Self.copies, final.sessions.count)] {
          session.saveWhole()
        }
      }
      write(queue.withLock { Self.takeWork(&$0) })
    }
    guard !final.replies.isEmpty else { return }
    let change = StoredChange(session: 0, lastActivity: clock.now, replies: final.replies)
    do throws(StoreError) {
      try calling { () throws(StoreError) in try store.commit([change]) }
    } catch {
      lose([String](), error.reason)
    }
  }
}

extension StoreError {
  /// Whether it is about one of the changes; all others are about the store.
  fileprivate var concernsOneChange: Bool { kind == .damaged || kind == .rejected }
}

extension StoredChange {
  /// The rows that a session's change becomes.
  fileprivate init(_ session: Session, _ change: UnsavedChange) {
    self.init(
      session: session.number, created: change.isCreated ? session.record : nil,
      base: (change.base ?? (change.isCreated ? .start : nil)).map { base in
        StoredBase(
          step: base.step,
          state: base.state.map {
            StateFile.bytes(
              of: $0.state, step: base.step, modelName: session.model.name,
              modelDigest: session.model.digest)
          },
          arithmetic: Model.arithmetic, reply: base.reply,
          recomputedFrom: session.recomputedFrom)
      },
      steps: change.inputs.isEmpty
        ? nil
        : StoredSteps(first: change.firstStep, inputs: change.inputs, request: change.request),
      lastActivity: session.lastActivity, replies: change.replies, isEnded: change.isEnded)
  }
}

extension UnsavedChange.Base {
  /// The state before the first step.
  static let start = Self(step: 0, state: nil, reply: nil)
}
