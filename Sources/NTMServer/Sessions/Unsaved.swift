/// The changes of a session that are not in the store yet, and the requests that wait for them.
struct Unsaved: Sendable {
  /// For the next commit.
  private var change: UnsavedChange?
  private var waiters: [SaveWaiter] = []
  /// In the current commit.
  private var changeUnderWay: UnsavedChange?
  private var waitersUnderWay: [SaveWaiter] = []
  /// Whether the journal looks for waiters that have waited too long.
  private var isWatched = false
  /// The journal knows that there is something to be written.
  private var isQueued = false
  /// What could not be saved is being taken back; nothing else is noted until it has been, and
  /// whoever waits is told then.
  private(set) var isRolledBack = false
  /// How often something was taken back, and why for the last time.
  private var rollBacks = 0
  private(set) var problem: Problem?
  /// The state in memory is newer than that in the store, and only a whole new one will do: what is
  /// written where changes are not saved one by one.
  private(set) var isStale = false
  /// The store has the session.
  private(set) var isStored = false
  /// The step that it has there, and when it was last used.
  private(set) var storedStep = 0
  private(set) var storedActivity = Timestamp(milliseconds: 0)

  /// Tells what was changed since something was taken back for the last time from what was taken back
  /// with it. To be asked for by whoever has the turn, before he changes something.
  var epoch: Epoch { isRolledBack ? .over : Epoch(number: rollBacks) }

  struct Epoch: Equatable, Sendable {
    fileprivate let number: Int
    fileprivate static let over = Epoch(number: -1)
    static let first = Epoch(number: 0)
  }

  enum Waiting {
    case waiting, saved, rolledBack
  }

  /// Whether the store has all there is.
  var isClean: Bool {
    isStored && change == nil && changeUnderWay == nil && !isStale && !isRolledBack
  }

  /// Whether changes would be lost if nothing more was saved. The time of the last use does not count.
  var isAtRisk: Bool {
    isStale || [change, changeUnderWay].contains { $0.map { !$0.isEmpty } ?? false }
  }

  /// One that the store has.
  mutating func restored(_ record: SessionRecord) {
    isStored = true
    storedStep = record.step
    storedActivity = record.lastActivity
  }

  /// Notes that the state has changed, and how is not worth noting.
  mutating func noteStale(isCreated: Bool) {
    isStale = true
    if isCreated, change == nil { change = UnsavedChange(isCreated: true) }
  }

  /// - Returns: whether the journal is to be told
  mutating func add(_ new: UnsavedChange) -> Bool {
    guard !isRolledBack else { return false }
    if change == nil { change = new } else { change?.append(new) }
    if new.base != nil { isStale = false }
    defer { isQueued = true }
    return !isQueued
  }

  /// - Parameter epoch: of the change that is waited for
  mutating func wait(_ epoch: Epoch, _ waiter: SaveWaiter) -> Waiting {
    guard epoch == self.epoch || isRolledBack else { return .rolledBack }
    if isRolledBack || (change != nil && isQueued) {
      waiters.append(waiter)
      return .waiting
    }
    guard changeUnderWay != nil else { return .saved }
    waitersUnderWay.append(waiter)
    return .waiting
  }

  /// Has the journal look for waiters that wait too long.
  ///
  /// - Returns: whether it did not do so before
  mutating func watch() -> Bool {
    defer { isWatched = true }
    return !isWatched
  }

  /// Finds the waiters that have waited since `limit` or longer.
  ///
  /// - Parameter isKept: whether a change that is not saved yet stays in memory in any case
  /// - Returns: calls that answer them, and whether others still wait
  mutating func overdue(
    since limit: UInt64, isKept: Bool
  ) -> (answers: [@Sendable () -> Void], isWaiting: Bool) {
    var answers: [@Sendable () -> Void] = []
    let problem = problem
    let isRolledBack = isRolledBack
    func answer(_ waiters: inout [SaveWaiter]) {
      waiters = waiters.compactMap { waiter in
        guard waiter.since <= limit, !waiter.isOverdue else { return waiter }
        if isRolledBack {
          answers.append { waiter.finish(.withdrawn(problem ?? .notSaved(nil))) }
          return nil
        }
        if isKept {
          answers.append { waiter.finish(.kept) }
          return nil
        }
        answers.append { waiter.reportOverdue() }
        var waiter = waiter
        waiter.isOverdue = true
        return waiter
      }
    }
    answer(&waiters)
    answer(&waitersUnderWay)
    isWatched = (waiters + waitersUnderWay).contains { !$0.isOverdue }
    return (answers, isWatched)
  }

  /// Begins to save.
  ///
  /// - Returns: nil if there is nothing to save, or if a commit already has a change of the session
  mutating func take() -> UnsavedChange? {
    guard changeUnderWay == nil else { return nil }
    isQueued = false
    guard let taken = change else { return nil }
    change = nil
    changeUnderWay = taken
    swap(&waiters, &waitersUnderWay)
    return taken
  }

  /// It is saved.
  ///
  /// - Returns: the waiters for it
  mutating func saved(at activity: Timestamp) -> [SaveWaiter] {
    if let step = changeUnderWay?.step { storedStep = step }
    storedActivity = activity
    isStored = true
    changeUnderWay = nil
    defer { waitersUnderWay = [] }
    return waitersUnderWay
  }

  /// It could not be saved, and is to be tried again.
  ///
  /// - Returns: all waiters
  mutating func putBack() -> [SaveWaiter] {
    guard var old = changeUnderWay else { return [] }
    if let change { old.append(change) }
    change = old
    changeUnderWay = nil
    isQueued = true
    defer {
      waiters = []
      waitersUnderWay = []
    }
    return waitersUnderWay + waiters
  }

  /// Neither it nor what came after it will be saved.
  mutating func rollBack(_ problem: Problem) {
    self.problem = problem
    isRolledBack = true
    rollBacks += 1
    change = nil
    changeUnderWay = nil
    isStale = false
    waiters = waitersUnderWay + waiters
    waitersUnderWay = []
  }

  /// The session is again what it is in the store.
  ///
  /// - Returns: all waiters
  mutating func takenBack() -> [SaveWaiter] {
    isRolledBack = false
    defer { waiters = [] }
    return waiters
  }
}
