/// Ends sessions that have been idle too long, drops events that nobody has come back for, and sends
/// heartbeats to watchers.
final class Reaper: Sendable {
  private let sessions: SessionTable
  private let keys: IdempotencyStore?
  private let isStopped = Monitor(false)
  private let thread = Lock<SystemThread?>(nil)

  /// Nanoseconds. Proxies take a connection for dead after half a minute or more.
  private static let heartbeatInterval: UInt64 = 15_000_000_000
  /// Nanoseconds between slices of heartbeats: a thousand watchers get theirs in 0.15 s.
  private static let slicePause: UInt64 = 5_000_000

  /// - Parameter keys: whose old keys are forgotten; nil for none
  init(_ sessions: SessionTable, _ keys: IdempotencyStore? = nil) {
    self.sessions = sessions
    self.keys = keys
  }

  func start() throws(HTTPServerError) {
    let sessions = sessions
    let keys = keys
    let isStopped = isStopped
    isStopped.withLock { $0 = false }
    // Often enough that a session outlives its time by a tenth, at most by ten seconds.
    let interval = UInt64(max(0.05, min(sessions.limits.timeToLive / 10, 10)) * 1e9)
    let started = try SystemThread {
      var nextHeartbeat = monotonicNanoseconds() + Self.heartbeatInterval
      while isStopped.wait(until: monotonicNanoseconds() + interval, { $0 ? true : nil }) == nil {
        sessions.expire()
        if !sessions.journal.isFailing { keys?.trim(sessions.journal.store) }
        sessions.forgetOldEvents()
        guard monotonicNanoseconds() >= nextHeartbeat else { continue }
        sessions.sendHeartbeats {
          let end = monotonicNanoseconds() + Self.slicePause
          return isStopped.wait(until: end) { $0 ? true : nil } == nil
        }
        sessions.saveActivity()
        nextHeartbeat += Self.heartbeatInterval
      }
    }
    thread.withLock { $0 = started }
  }

  func stop() {
    isStopped.withLock { $0 = true }
    isStopped.broadcast()
    let started = thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    started?.join()
  }
}
