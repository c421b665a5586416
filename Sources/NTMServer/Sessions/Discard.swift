/// The end of a session that is in the store only, on its way to the store.
final class Discard: Sendable {
  let change: StoredChange
  /// nil once the outcome was reported.
  private let waiter: Lock<SaveWaiter?>

  init(_ change: StoredChange, _ report: @escaping @Sendable (SaveOutcome) -> Void) {
    self.change = change
    waiter = Lock(SaveWaiter(since: monotonicNanoseconds(), report))
  }

  func finish(_ outcome: SaveOutcome) {
    let waiter = waiter.withLock { waiter in
      defer { waiter = nil }
      return waiter
    }
    waiter?.finish(outcome)
  }

  /// Reports `overdue` if the request has waited since `time` or longer.
  ///
  /// - Returns: whether there is nothing more to report
  func answerIfOverdue(since time: UInt64) -> Bool {
    let (overdue, isDone) = waiter.withLock { waiter -> (SaveWaiter?, Bool) in
      guard let found = waiter, !found.isOverdue else { return (nil, true) }
      guard found.since <= time else { return (nil, false) }
      waiter?.isOverdue = true
      return (found, true)
    }
    overdue?.reportOverdue()
    return isDone
  }
}
