/// Ends sessions that have been idle too long, now and then.
final class Reaper: Sendable {
  private let sessions: SessionTable
  private let isStopped = Monitor(false)
  private let thread = Lock<SystemThread?>(nil)

  init(_ sessions: SessionTable) { self.sessions = sessions }

  func start() throws(HTTPServerError) {
    let sessions = sessions
    let isStopped = isStopped
    isStopped.withLock { $0 = false }
    // Often enough that a session outlives its time by a tenth, at most by ten seconds.
    let interval = UInt64(max(0.05, min(sessions.limits.timeToLive / 10, 10)) * 1e9)
    let started = try SystemThread {
      while isStopped.wait(until: monotonicNanoseconds() + interval, { $0 ? true : nil }) == nil {
        sessions.expire()
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
