import Logging
import NTMModel
import Synchronization

/// When a change counts as saved, by the names that Redis has for it.
public enum Durability: String, CaseIterable, Sendable {
  /// Before it is acknowledged.
  case always
  /// Within a second.
  case everysec
  /// When the server stops.
  case none
}

/// Writes what changes in sessions to a store, many changes at a time: a commit takes what has come
/// together while the one before was under way. Whoever uses a session only leaves a note.
final class Journal: Sendable {
  let store: any SessionStore
  let durability: Durability
  private let logger: Logger
  private let queue = Monitor(Queue())
  private let thread = Lock<SystemThread?>(nil)
  private let failing = Atomic(false)
  private let isReplaced = Atomic(false)
  /// The newest one.
  private let failure = Lock<StoreError?>(nil)
  /// Since when the commit that is under way takes (monotonic nanoseconds); 0 for none.
  private let commitBegan = Atomic<UInt64>(0)
  let metrics = StoreMetrics()

  var isFailing: Bool { failing.load(ordering: .relaxed) }

  private struct Queue {
    var sessions: [Session] = []
    /// Not to wait for the interval's end.
    var isHurried = false
    var isStopping = false
    /// So many have ended.
    var commits = 0
  }

  /// Nanoseconds between commits that nobody waits for. What comes just after one has begun is saved
  /// when the next has ended; even where a commit takes longer than this, that is to be within the
  /// second that `everysec` promises.
  private static let interval: UInt64 = 250_000_000
  /// Sessions in a commit.
  private static let batch = 4096
  /// States that are copied at a time to be written.
  private static let copies = 256

  /// What is noted of a change.
  enum Keeping {
    /// Sessions end with the server.
    case nothing
    /// That there is another state.
    case states
    /// The steps that lead to it.
    case steps
  }

  let keeps: Keeping
  /// When the server began: the time before, when nobody could use a session, does not count for its
  /// expiry.
  let begin: Timestamp

  init(_ store: any SessionStore, _ durability: Durability, _ logger: Logger) {
    self.store = store
    self.durability = store.outlivesProcess ? durability : .none
    self.logger = logger
    keeps = !store.outlivesProcess ? .nothing : durability == .none ? .states : .steps
    begin = store.outlivesProcess ? .now : Timestamp(milliseconds: 0)
  }

  // MARK: Notes

  /// Takes note of what has changed in a session. To be called by whoever has the session's turn, if
  /// it is the state that has changed.
  func note(_ session: Session, _ change: UnsavedChange) {
    guard keeps != .nothing else { return }
    if keeps == .states, !change.isEnded {
      // The state as a whole is written when the session leaves memory.
      session.unsaved.withLock { $0.noteStale(isCreated: change.isCreated) }
    } else {
      save(session, change)
    }
  }

  /// Has a change written with the next commit.
  func save(_ session: Session, _ change: UnsavedChange) {
    if session.unsaved.withLock({ $0.add(change) }) { enqueue([session]) }
  }

  private func enqueue(_ sessions: [Session]) {
    let isFirst = queue.withLock { queue in
      defer { queue.sessions += sessions }
      return queue.sessions.isEmpty
    }
    if isFirst { queue.broadcast() }
  }

  func writeMetrics(resident: Int, to text: inout MetricsText) {
    metrics.write(isFailing: replacement() != nil || isFailing, resident: resident, to: &text)
  }

  /// Checks whether the store's file was deleted or replaced, and logs the first time it was.
  ///
  /// - Returns: the reason, or nil if the file is in place
  func replacement() -> StoreError? {
    do throws(StoreError) { try store.checkPlace() } catch {
      if !isReplaced.exchange(true, ordering: .relaxed) {
        logger.critical("sessions are lost when the server stops: \(error)")
      }
      return error
    }
    if isReplaced.exchange(false, ordering: .relaxed) {
      logger.notice("the store's file is in its place again")
    }
    return nil
  }

  // MARK: Acknowledgement

  /// Whether changes are acknowledged only when they are saved: always, or because commits take so
  /// long that too much would be lost with a crash.
  var mustWait: Bool {
    switch durability {
    case .always: return true
    case .none: return false
    case .everysec:
      let began = commitBegan.load(ordering: .relaxed)
      return began > 0 && monotonicNanoseconds() > began + Self.interval
    }
  }

  /// Calls `then` when all that has changed in a session up to now is saved, on some thread; with a
  /// problem where it can't be, and the session is as it was before.
  ///
  /// - Parameter epoch: in which the change was made
  func whenSaved(
    _ session: Session, _ epoch: Unsaved.Epoch, _ then: @escaping @Sendable (Problem?) -> Void
  ) {
    let (waiting, problem) = session.unsaved.withLock { ($0.wait(epoch, then), $0.problem) }
    switch waiting {
    case .waiting: break
    case .saved: then(nil)
    case .rolledBack: then(problem)
    }
  }

  /// - Throws: `Problem` 503 where nothing can be saved at present.
  func checkWritable() throws(Problem) {
    guard isFailing else { return }
    throw .notSaved(failure.withLock { $0 })
  }

  // MARK: Writing

  func start() throws(HTTPServerError) {
    guard store.outlivesProcess else { return }
    queue.withLock { $0.isStopping = false }
    let started = try SystemThread { [self] in run() }
    thread.withLock { $0 = started }
  }

  /// Writes what is left, and ends.
  ///
  /// - Parameters:
  ///   - sessions: those in memory, whose states are written where their steps are not
  ///   - replies: to requests with keys, likewise
  func stop(saving sessions: [Session], _ replies: [KeyedReply]) {
    guard keeps != .nothing else { return }
    queue.withLock { $0.isStopping = true }
    queue.broadcast()
    let started = thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    started?.join()
    if keeps == .states {
      for start in stride(from: 0, to: sessions.count, by: Self.copies) {
        let some = sessions[start..<min(start + Self.copies, sessions.count)]
        write(some.filter { $0.saveWhole() })
      }
      let change = StoredChange(session: 0, lastActivity: .now, replies: replies)
      try? store.commit([change])
    }
    store.close()
  }

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

  private func run() {
    while let sessions = next() {
      let began = monotonicNanoseconds()
      commitBegan.store(began, ordering: .relaxed)
      for start in stride(from: 0, to: sessions.count, by: Self.batch) {
        write(Array(sessions[start..<min(start + Self.batch, sessions.count)]))
      }
      commitBegan.store(0, ordering: .relaxed)
      queue.withLock { $0.commits += 1 }
      queue.broadcast()
      rest(since: began)
    }
  }

  /// The sessions that have changed, as soon as there are some; nil at the end.
  private func next() -> [Session]? {
    queue.wait { queue in
      guard !queue.sessions.isEmpty else { return queue.isStopping ? .some(nil) : nil }
      defer { queue.sessions = [] }
      queue.isHurried = false
      return queue.sessions
    }
  }

  /// Lets changes come together that nobody waits for, and a disk that fails recover.
  private func rest(since began: UInt64) {
    guard durability == .always else {
      let start = isFailing ? monotonicNanoseconds() : began
      _ = queue.wait(until: start + Self.interval) { $0.isHurried || $0.isStopping ? true : nil }
      return
    }
    // What could not be saved was taken back, so that only this finds out when it works again.
    while isFailing {
      let isCalled = queue.wait(until: monotonicNanoseconds() + Self.interval) {
        !$0.sessions.isEmpty || $0.isStopping ? true : nil
      }
      if isCalled != nil { return }
      do throws(StoreError) {
        try store.probe()
        recovered()
      } catch {}
    }
  }

  private func write(_ sessions: [Session]) {
    let batch = sessions.compactMap { session in
      session.unsaved.withLock { $0.take() }.map { (session: session, change: $0) }
    }
    let began = monotonicNanoseconds()
    do throws(StoreError) {
      try store.commit(batch.map { StoredChange($0.session, $0.change) })
      metrics.committed(batch.count, nanoseconds: monotonicNanoseconds() - began)
      recovered()
      for (session, change) in batch { session.saved(change) }
    } catch {
      metrics.failed()
      if error.kind == .damaged, batch.count > 1 {
        // One of them is on a damaged page: it must not keep the others from being saved.
        for (session, _) in batch { session.unsaved.withLock { $0.putBack() } }
        for (session, _) in batch { write([session]) }
        return
      }
      failed(batch, error)
    }
  }

  private func failed(_ batch: [(session: Session, change: UnsavedChange)], _ error: StoreError) {
    if error.kind == .damaged {
      for (session, _) in batch { session.quarantine(error.reason) }
      return
    }
    failure.withLock { $0 = error }
    if !failing.exchange(true, ordering: .relaxed) {
      logger.error("sessions can't be saved: \(error)")
    }
    if durability == .always {
      let problem = Problem.notSaved(error)
      for (session, _) in batch { session.rollBack(problem) }
    } else {
      for (session, _) in batch { session.unsaved.withLock { $0.putBack() } }
      enqueue(batch.map(\.session))
      if queue.withLock({ $0.isStopping }) { giveUp(error) }
    }
  }

  /// The server stops and the store does not work: what is not saved by now is lost.
  private func giveUp(_ error: StoreError) {
    let lost = queue.withLock { queue in
      defer { queue.sessions = [] }
      return queue.sessions.count
    }
    logger.critical("the newest steps of \(lost) sessions are lost: \(error)")
  }

  private func recovered() {
    guard failing.exchange(false, ordering: .relaxed) else { return }
    logger.notice("sessions are saved again")
  }

  /// Notes that a session can't be used any more.
  func quarantine(_ session: SessionRecord, _ reason: String) {
    metrics.quarantined()
    logger.error("session \(session.id) is damaged and can't be used: \(reason)")
    do throws(StoreError) { try store.quarantine(session.number, reason) } catch {
      logger.error("that could not be noted in the store: \(error)")
    }
  }
}

extension Problem {
  static func notSaved(_ error: StoreError?) -> Problem {
    let reason = error?.reason ?? "the store has failed"
    return Problem(
      .storeUnavailable, "sessions can't be saved: \(reason). Nothing was changed; try again later",
      fields: ["reason": .text(reason)])
  }

  static func damaged(_ id: String, _ reason: String) -> Problem {
    Problem(
      .damagedSession, "session \"\(id)\" can't be used: \(reason). It can be deleted",
      fields: ["reason": .text(reason)])
  }
}

extension StoredChange {
  /// What is to be written of a session, as it is written.
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
