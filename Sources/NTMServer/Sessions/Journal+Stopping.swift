import Logging
import Synchronization

/// Acknowledged changes that are not in the store and will not come there.
public struct SaveLoss: Sendable {
  /// The ids of their sessions; empty if only replies to requests with keys are lost.
  public internal(set) var sessions: Set<String> = []
  /// Why they could not be saved.
  public internal(set) var reason: String
}

extension Journal {
  /// The rows to write when the server stops.
  struct Final {
    /// The sessions in memory, whose states are written if their steps are not.
    let sessions: [Session]
    /// The replies to requests with keys, likewise.
    let replies: [KeyedReply]
  }

  /// Writes the remaining changes, closes the store and ends. `loss` then has the changes that could
  /// not be saved.
  ///
  /// - Parameter patience: nanoseconds after which a call that the store does not answer is given up.
  ///   Saving may take longer if each call is answered in time.
  func stop(_ final: Final, patience: UInt64) {
    guard keeps != .nothing else { return }
    let began = monotonicNanoseconds()
    queue.withLock { queue in
      queue.final = final
      queue.isStopping = true
    }
    queue.broadcast()
    let started = thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    if let started {
      if waitForEnd(since: began, patience) {
        started.join()
      } else {
        started.detach()
        giveUp(final)
      }
    } else {
      finish()
    }
    stopWatching()
    if let loss = loss.withLock({ $0 }) {
      logger.critical("\(loss)")
    }
  }

  /// - Returns: false if the store does not answer
  private func waitForEnd(since began: UInt64, _ patience: UInt64) -> Bool {
    while true {
      let now = monotonicNanoseconds()
      let hasEnded = queue.wait(until: now + min(patience, 100_000_000)) {
        $0.hasEnded ? true : nil
      }
      if hasEnded != nil { return true }
      let call = callBegan.load(ordering: .sequentiallyConsistent)
      if call > 0, monotonicNanoseconds() >= max(call, began) + patience { return false }
    }
  }

  private func giveUp(_ final: Final) {
    let reason = "the store does not answer"
    guard durability != .always else {
      return logger.error("\(reason); changes that were not acknowledged may be lost")
    }
    lose(final.sessions + queue.withLock { $0.sessions }, reason)
    if keeps == .states, !final.replies.isEmpty { lose([String](), reason) }
  }

  /// Notes that the unsaved changes of these sessions are lost, if they have any.
  func lose(_ sessions: [Session], _ reason: String) {
    let unsaved = sessions.filter { $0.unsaved.withLock { $0.isAtRisk } }
    if !unsaved.isEmpty { lose(unsaved.map(\.id), reason) }
  }

  func lose(_ sessions: [String], _ reason: String) {
    loss.withLock { loss in
      var all = loss ?? SaveLoss(reason: reason)
      all.sessions.formUnion(sessions)
      all.reason = reason
      loss = all
    }
  }
}

extension SaveLoss: CustomStringConvertible {
  public var description: String {
    switch sessions.count {
    case 0: "replies to requests with keys are lost: \(reason)"
    case 1: "the newest changes of session \(sessions.first ?? "") are lost: \(reason)"
    default: "the newest changes of \(sessions.count) sessions are lost: \(reason)"
    }
  }
}
