import NTMModel
import Synchronization

extension Session {
  /// A change of it is in the store.
  func saved(_ change: UnsavedChange) {
    let activity = lastActivity
    for waiter in unsaved.withLock({ $0.saved(at: activity) }) {
      waiter.finish(.saved)
    }
  }

  /// Neither this change nor what came after it could be saved: the session is to be again what it is
  /// in the store.
  func rollBack(_ problem: Problem, then: @escaping @Sendable () -> Void = {}) {
    unsaved.withLock { $0.rollBack(problem) }
    let takeBack = { @Sendable (turn: Turn) in
      self.takeBack()
      then()
      for waiter in self.unsaved.withLock({ $0.takenBack() }) {
        waiter.finish(.withdrawn(problem))
      }
    }
    if case .first = turns.withLock({ $0.take(.stream, orLater: takeBack) }) {
      takeBack(Turn(self, .stream, hasWaited: false))
    }
  }

  private func takeBack() {
    let isStored = unsaved.withLock { $0.isStored } && !isSuperseded.load(ordering: .relaxed)
    holding.withLock { holding in
      let bytes = release(&holding)
      if isStored {
        let hadEnded = holding.ending != nil
        holding.ending = nil
        step = unsaved.withLock { $0.storedStep }
        table?.movedOut(self, bytes: bytes, hadEnded: hadEnded)
      } else {
        let ending = SessionEnding(reason: .lost, at: .now)
        holding.ending = ending
        events.end(.ended(id, ending))
        table?.remove(self, ending, bytes: bytes)
      }
    }
    if isStored { events.publish(.state(id, step: step)) }
  }

  /// What came of an attempt to move a session out of memory.
  enum Departure {
    case done
    /// It has to be saved first, which has begun.
    case saving
    /// Somebody uses it.
    case inUse
  }

  /// Lets go of the state if the store has it and nobody uses it. Watchers stay: they watch the
  /// session wherever its state is.
  func moveOut() -> Departure {
    guard turns.withLock({ $0.take(.change) }) else { return .inUse }
    defer { passTurn() }
    return holding.withLock { holding in
      guard holding.content != nil, holding.ending == nil else {
        return .inUse
      }
      let (isClean, isTouched) = unsaved.withLock {
        ($0.isClean, $0.storedActivity != lastActivity)
      }
      guard isClean else {
        saveWhole(&holding.content!)
        return .saving
      }
      if isTouched { journal.save(self, UnsavedChange()) }
      table?.movedOut(self, bytes: release(&holding))
      return .done
    }
  }

  /// Has the state written as a whole, where steps are not written one by one and it is newer than
  /// what the store has.
  ///
  /// - Returns: whether there is something to be written
  @discardableResult
  func saveWhole() -> Bool {
    holding.withLock { holding in
      guard holding.content != nil else { return false }
      return saveWhole(&holding.content!)
    }
  }

  @discardableResult
  private func saveWhole(_ content: inout Content) -> Bool {
    guard unsaved.withLock({ $0.isStale }), let copy = try? content.state.copy() else {
      return false
    }
    var change = UnsavedChange()
    change.rebase(
      UnsavedChange.Base(
        step: content.step, state: StateCopy(copy, countedBy: journal.copies),
        reply: content.lastReply))
    journal.save(self, change)
    return true
  }

  /// Writes down when it was last used, where that has changed by much: by a look at it alone nothing
  /// else is written.
  func saveActivity() {
    guard let keepAlive else { return }
    let isOld = unsaved.withLock {
      $0.isClean && $0.isStored && $0.storedActivity.advanced(by: keepAlive / 10) < lastActivity
    }
    if isOld { journal.save(self, UnsavedChange()) }
  }

  /// The store's content of it is damaged, or does not have its newest changes and can't get them.
  func quarantine(_ reason: String) {
    rollBack(.damaged(id, reason)) { self.table?.quarantine(self.record, reason) }
  }
}
