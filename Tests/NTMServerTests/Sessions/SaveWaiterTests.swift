import Testing

@testable import NTMServer

/// The results that waiters for a session's changes receive.
struct SaveWaiterTests {
  /// Records outcomes.
  private final class Recorder: Sendable {
    private let recorded = Lock<[SaveOutcome]>([])
    var outcomes: [SaveOutcome] { recorded.withLock { $0 } }

    func waiter(since time: UInt64 = 0) -> SaveWaiter {
      SaveWaiter(since: time) { outcome in self.recorded.withLock { $0.append(outcome) } }
    }
  }

  private let recorder = Recorder()
  private let problem = Problem(.storeUnavailable, "as a test")

  /// Changes with a waiter, in a commit.
  private func committing(since time: UInt64 = 0) -> Unsaved {
    var unsaved = Unsaved()
    _ = unsaved.add(UnsavedChange(isCreated: true))
    let waiting = unsaved.wait(.first, recorder.waiter(since: time))
    #expect(waiting == .waiting)
    _ = unsaved.take()
    return unsaved
  }

  private func overdue(_ unsaved: inout Unsaved, since limit: UInt64, isKept: Bool = false) -> Bool
  {
    let (answers, isWaiting) = unsaved.overdue(since: limit, isKept: isKept)
    for answer in answers { answer() }
    return isWaiting
  }

  @Test func aCommitThatSucceedsInTimeIsReportedOnce() {
    var unsaved = committing(since: 10)
    let isWaiting = overdue(&unsaved, since: 9)
    #expect(isWaiting)
    for waiter in unsaved.saved(at: .now) { waiter.finish(.saved) }
    #expect(recorder.outcomes == [.saved])
  }

  @Test func aCommitThatSucceedsLateIsReportedTwice() {
    var unsaved = committing(since: 10)
    for limit in [10, 11] as [UInt64] {
      let isWaiting = overdue(&unsaved, since: limit)
      #expect(!isWaiting)
    }
    #expect(recorder.outcomes == [.overdue])
    for waiter in unsaved.saved(at: .now) { waiter.finish(.saved) }
    #expect(recorder.outcomes == [.overdue, .settled(isSaved: true)])
  }

  @Test func aCommitThatFailsLateIsReportedTwice() {
    var unsaved = committing()
    _ = overdue(&unsaved, since: 0)
    unsaved.rollBack(problem)
    for waiter in unsaved.takenBack() { waiter.finish(.withdrawn(problem)) }
    #expect(recorder.outcomes == [.overdue, .settled(isSaved: false)])
  }

  @Test func aWithdrawnChangeIsReportedWhileTheSessionIsInUse() {
    var unsaved = committing()
    unsaved.rollBack(problem)
    let isWaiting = overdue(&unsaved, since: 0)
    #expect(!isWaiting)
    #expect(recorder.outcomes == [.withdrawn(problem)])
    #expect(unsaved.takenBack().isEmpty)
  }

  @Test func aKeptChangeIsReportedOnceAndSavedLater() {
    var unsaved = committing()
    let isWaiting = overdue(&unsaved, since: 0, isKept: true)
    #expect(!isWaiting)
    #expect(unsaved.putBack().isEmpty)
    #expect(recorder.outcomes == [.kept])
    #expect(unsaved.isAtRisk)
    #expect(unsaved.take()?.isCreated == true)
    #expect(unsaved.saved(at: .now).isEmpty)
    #expect(!unsaved.isAtRisk)
  }

  @Test func aFailedCommitAnswersAllWaiters() {
    var unsaved = committing()
    _ = unsaved.add(UnsavedChange(isEnded: true))
    _ = unsaved.wait(.first, recorder.waiter())
    let waiters = unsaved.putBack()
    #expect(waiters.count == 2)
    let change = unsaved.take()
    #expect(change?.isCreated == true && change?.isEnded == true)
  }

  @Test func theTimeOfTheLastUseIsNotAtRisk() {
    var unsaved = Unsaved()
    _ = unsaved.add(UnsavedChange())
    #expect(!unsaved.isAtRisk)
  }
}
