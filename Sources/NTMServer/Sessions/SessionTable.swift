import NTMModel

/// The sessions of a server, within its limits. The lock of the table is never held while a session
/// is used.
final class SessionTable: Sendable {
  struct Limits: Sendable {
    /// Seconds without use after which a session ends.
    var timeToLive: Double
    var sessions: Int
    /// Bytes of all sessions' states.
    var bytes: Int
  }

  let limits: Limits
  private let table = Lock(Table())

  private struct Table {
    var sessions: [String: Session] = [:]
    /// Sessions and their bytes, with those that are being made.
    var count = 0
    var bytes = 0
    var nextNumber = 0

    mutating func reserve(_ more: Int, within limits: Limits) -> Reservation {
      guard count < limits.sessions else { return .refused(.sessions) }
      guard bytes <= limits.bytes - more else { return .refused(.bytes) }
      count += 1
      bytes += more
      nextNumber += 1
      return .granted(number: nextNumber)
    }

    mutating func release(_ less: Int) {
      count -= 1
      bytes -= less
    }
  }

  private enum Reservation {
    case granted(number: Int)
    case refused(Limit)
  }

  private enum Limit: String {
    case sessions = "max_sessions"
    case bytes = "max_session_bytes"
  }

  init(limits: Limits) { self.limits = limits }

  // MARK: Making and ending

  /// Makes a session.
  ///
  /// - Throws: `Problem` 503 where a limit is reached, even without the sessions that have expired.
  func make(_ model: ServedModel) throws(Problem) -> Session {
    let bytes = model.stateBytes
    var reservation = table.withLock { $0.reserve(bytes, within: limits) }
    if case .refused = reservation {
      expire()
      reservation = table.withLock { $0.reserve(bytes, within: limits) }
    }
    switch reservation {
    case .refused(let limit): throw problem(limit, bytes)
    case .granted(let number):
      do {
        let session = try Session(model: model, number: number, now: .now)
        table.withLock { $0.sessions[session.id] = session }
        return session
      } catch {
        table.withLock { $0.release(bytes) }
        throw Problem(
          .limitReached, "the machine has no memory for another session: \(error)",
          headers: retryLater)
      }
    }
  }

  private var retryLater: [String: String] {
    ["Retry-After": String(max(1, Int(min(limits.timeToLive, 60))))]
  }

  private func problem(_ limit: Limit, _ bytes: Int) -> Problem {
    let detail =
      switch limit {
      case .sessions: "the server holds at most \(limits.sessions) sessions"
      case .bytes:
        "the server's sessions hold at most \(limits.bytes) bytes; another one needs \(bytes)"
      }
    return Problem(
      .limitReached, "\(detail). Delete sessions, or wait until some expire",
      fields: ["limit": .text(limit.rawValue)], headers: retryLater)
  }

  /// Forgets a session that has ended.
  func remove(_ session: Session) {
    table.withLock { table in
      if table.sessions.removeValue(forKey: session.id) != nil {
        table.release(session.stateBytes)
      }
    }
  }

  /// Ends the sessions that have been idle too long.
  func expire(now: Timestamp = .now) {
    for session in all where session.end(ifIdleSince: now.advanced(by: -limits.timeToLive)) {
      remove(session)
    }
  }

  // MARK: Finding

  /// - Throws: `Problem` 404 where there is none of this name, or it has expired.
  func find(_ id: String) throws(Problem) -> Session {
    guard let session = table.withLock({ $0.sessions[id] }) else { throw .noSession(id) }
    if session.end(ifIdleSince: Timestamp.now.advanced(by: -limits.timeToLive)) {
      remove(session)
      throw .noSession(id)
    }
    return session
  }

  func expiry(of session: Session) -> Timestamp {
    session.lastActivity.advanced(by: limits.timeToLive)
  }

  var count: Int { table.withLock { $0.sessions.count } }

  private var all: [Session] { table.withLock { Array($0.sessions.values) } }

  /// The first `limit` sessions made after number `after`, in that order, and whether there are more.
  func page(after: Int, limit: Int) -> (sessions: [Session], hasMore: Bool) {
    let later = all.filter { $0.number > after }.sorted { $0.number < $1.number }
    return (Array(later.prefix(limit)), later.count > limit)
  }
}
