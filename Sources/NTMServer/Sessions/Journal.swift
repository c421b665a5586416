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

/// Writes changes of sessions to a store, many at a time: a commit takes the changes that came while
/// the commit before it ran. The user of a session only leaves a note.
///
/// One thread calls the store to write (`Journal+Writing.swift`), because a commit may block for as long
/// as the disk or another process likes. Another thread answers the requests that have waited too long
/// (`Journal+Waiting.swift`). `SaveOutcome` lists how requests are answered.
final class Journal: Sendable {
  let store: any SessionStore
  let durability: Durability
  let logger: Logger
  let queue = Monitor(Queue())
  let thread = Lock<SystemThread?>(nil)
  let watch = Watch()
  /// Bits of `Condition`; 0 while the store works.
  let condition = Atomic<UInt8>(0)
  /// The newest failure.
  let failure = Lock<StoreError?>(nil)
  /// When the current run of commits began (monotonic nanoseconds); 0 if there is none.
  let commitBegan = Atomic<UInt64>(0)
  /// When the current call of the store began; 0 if there is none.
  let callBegan = Atomic<UInt64>(0)
  let loss = Lock<SaveLoss?>(nil)
  let copies = CopiedBytes()
  private let isReplaced = Atomic(false)
  let metrics = StoreMetrics()

  /// Whether changes are refused, because the store fails or hangs.
  var isFailing: Bool { condition.load(ordering: .relaxed) != 0 }

  enum Condition {
    /// The last commit failed.
    static let failing: UInt8 = 1
    /// The current call has taken `waitLimit` or longer.
    static let stalled: UInt8 = 2
  }

  struct Queue {
    var sessions: [Session] = []
    var discards: [Discard] = []
    var quarantines: [(record: SessionRecord, reason: String)] = []
    /// Whether to commit without waiting for the interval's end.
    var isHurried = false
    var isStopping = false
    /// Written after everything else, when the server stops.
    var final: Final?
    var hasEnded = false
    /// The number of runs of commits that have ended.
    var commits = 0

    var isEmpty: Bool { sessions.isEmpty && discards.isEmpty && quarantines.isEmpty }
  }

  /// Nanoseconds between commits that no request waits for. A change that comes just after a commit has
  /// begun is saved by the end of the next one; `everysec` promises that within a second, also where a
  /// commit takes longer than this.
  static let interval: UInt64 = 250_000_000
  /// Nanoseconds after which a request is answered although the commit of its change still runs. Longer
  /// than the store waits for another process, whose error is the better answer.
  static let waitLimit: UInt64 = 5_000_000_000

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
  /// The clock for the expiry of sessions.
  let clock: ServerClock
  /// When the server began: the time before, when nobody could use a session, does not count for its
  /// expiry.
  let begin: Timestamp

  init(
    _ store: any SessionStore, _ durability: Durability, _ logger: Logger,
    clock: ServerClock = ServerClock()
  ) {
    self.store = store
    self.clock = clock
    self.durability = store.outlivesProcess ? durability : .none
    self.logger = logger
    keeps = !store.outlivesProcess ? .nothing : durability == .none ? .states : .steps
    begin = store.outlivesProcess ? clock.start : Timestamp(milliseconds: 0)
  }

  // MARK: Notes

  /// Notes a change of a session. A change of the state must be noted by the holder of the session's
  /// turn.
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
    if copies.isOverLimit { hurry() }
  }

  func enqueue(_ sessions: [Session]) {
    let isFirst = queue.withLock { queue in
      defer { queue.sessions += sessions }
      return queue.isEmpty
    }
    if isFirst { queue.broadcast() }
  }

  /// Has the ends of sessions written that are in the store only.
  func discard(_ discards: [Discard]) {
    queue.withLock { $0.discards += discards }
    watch.discards.withLock { $0 += discards }
    queue.broadcast()
  }

  /// Marks a session in the store as one that can't be used any more. That is written later: the caller
  /// must not wait for a store that hangs.
  func quarantine(_ record: SessionRecord, _ reason: String) {
    metrics.quarantined()
    logger.error("session \(record.id) is damaged and can't be used: \(reason)")
    queue.withLock { $0.quarantines.append((record, reason)) }
    queue.broadcast()
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
      if copies.isOverLimit { return true }
      let began = commitBegan.load(ordering: .relaxed)
      return began > 0 && monotonicNanoseconds() > began + Self.interval
    }
  }

  /// Whether a read waits until the changes that it shows are saved. Only `always` withdraws changes,
  /// and a read does not wait for a store that is known to hang.
  var readsWait: Bool {
    durability == .always && condition.load(ordering: .relaxed) & Condition.stalled == 0
  }

  /// Reports the outcome of all changes of a session up to now, on some thread.
  ///
  /// - Parameter epoch: in which the change was made
  func whenSaved(
    _ session: Session, _ epoch: Unsaved.Epoch,
    _ report: @escaping @Sendable (SaveOutcome) -> Void
  ) {
    let now = monotonicNanoseconds()
    let (waiting, problem, isNew) = session.unsaved.withLock { unsaved in
      let waiting = unsaved.wait(epoch, SaveWaiter(since: now, report))
      return (waiting, unsaved.problem, waiting == .waiting && unsaved.watch())
    }
    switch waiting {
    case .waiting: if isNew { watch.sessions.withLock { $0.append(session) } }
    case .saved: report(.saved)
    case .rolledBack: report(.withdrawn(problem ?? .notSaved(nil)))
    }
  }

  /// - Throws: `Problem` 503 if nothing can be saved at present.
  func checkWritable() throws(Problem) {
    guard isFailing else { return }
    throw .notSaved(failure.withLock { $0 })
  }
}
