/// Ends idle sessions, drops events whose watchers have not returned, and sends
/// heartbeats to watchers.
final class Reaper: Sendable {
  private let sessions: SessionTable
  private let keys: IdempotencyStore?
  /// Each thread has a state of its own: one that waits for a store may outlive `stop`.
  private let running = Lock<(thread: SystemThread, state: Monitor<State>)?>(nil)

  /// Nanoseconds. Proxies take a connection for dead after half a minute or more.
  private static let heartbeatInterval: UInt64 = 15_000_000_000
  /// Nanoseconds between slices of heartbeats: a thousand watchers get theirs in 0.15 s.
  private static let slicePause: UInt64 = 5_000_000

  private struct State {
    var isStopped = false
    var hasEnded = false
  }

  /// Nanoseconds that `stop` waits for a look at the store.
  private static let patience: UInt64 = 1_000_000_000

  /// - Parameter keys: whose old keys are forgotten; nil for none
  init(_ sessions: SessionTable, _ keys: IdempotencyStore? = nil) {
    self.sessions = sessions
    self.keys = keys
  }

  func start() throws(HTTPServerError) {
    let sessions = sessions
    let keys = keys
    let state = Monitor(State())
    // Often enough that a session outlives its time by a tenth, at most by ten seconds.
    let interval = UInt64(max(0.05, min(sessions.limits.timeToLive / 10, 10)) * 1e9)
    let started = try SystemThread {
      var nextHeartbeat = monotonicNanoseconds() + Self.heartbeatInterval
      while state.wait(
        until: monotonicNanoseconds() + interval, { $0.isStopped ? true : nil }) == nil
      {
        sessions.expire()
        if !sessions.journal.isFailing { keys?.trim(sessions.journal.store) }
        sessions.forgetOldEvents()
        guard monotonicNanoseconds() >= nextHeartbeat else { continue }
        sessions.sendHeartbeats {
          let end = monotonicNanoseconds() + Self.slicePause
          return state.wait(until: end) { $0.isStopped ? true : nil } == nil
        }
        sessions.saveActivity()
        nextHeartbeat += Self.heartbeatInterval
      }
      state.withLock { $0.hasEnded = true }
      state.broadcast()
    }
    running.withLock { $0 = (started, state) }
  }

  /// Ends the thread. If it is waiting for a store that does not answer, it ends by itself later.
  func stop() {
    let stopped = running.withLock { running in
      defer { running = nil }
      return running
    }
    guard let (thread, state) = stopped else { return }
    state.withLock { $0.isStopped = true }
    state.broadcast()
    let hasEnded = state.wait(until: monotonicNanoseconds() + Self.patience) {
      $0.hasEnded ? true : nil
    }
    hasEnded == nil ? thread.detach() : thread.join()
  }
}
