/// What of a session is not in the store yet, and who waits for it to be.
struct Unsaved: Sendable {
  typealias Waiter = @Sendable (Problem?) -> Void

  /// For the next commit.
  private var change: UnsavedChange?
  private var waiters: [Waiter] = []
  /// In the commit that is under way.
  private var changeUnderWay: UnsavedChange?
  private var waitersUnderWay: [Waiter] = []
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
  mutating func wait(_ epoch: Epoch, _ waiter: @escaping Waiter) -> Waiting {
    guard epoch == self.epoch || isRolledBack else { return .rolledBack }
    if isRolledBack || (change != nil && isQueued) {
      waiters.append(waiter)
      return .waiting
    }
    guard changeUnderWay != nil else { return .saved }
    waitersUnderWay.append(waiter)
    return .waiting
  }

  /// Begins to save.
  mutating func take() -> UnsavedChange? {
    isQueued = false
    guard let taken = change else { return nil }
    change = nil
    changeUnderWay = taken
    swap(&waiters, &waitersUnderWay)
    return taken
  }

  /// It is saved.
  ///
  /// - Returns: who waited for it
  mutating func saved(at activity: Timestamp) -> [Waiter] {
    if let step = changeUnderWay?.step { storedStep = step }
    storedActivity = activity
    isStored = true
    changeUnderWay = nil
    defer { waitersUnderWay = [] }
    return waitersUnderWay
  }

  /// It could not be saved, and is to be tried again.
  mutating func putBack() {
    guard var old = changeUnderWay else { return }
    if let change { old.append(change) }
    change = old
    changeUnderWay = nil
    waiters = waitersUnderWay + waiters
    waitersUnderWay = []
    isQueued = true
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
  /// - Returns: who waited
  mutating func takenBack() -> [Waiter] {
    isRolledBack = false
    defer { waiters = [] }
    return waiters
  }
}
