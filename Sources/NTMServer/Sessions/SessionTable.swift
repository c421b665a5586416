import NTMModel

/// The sessions of a server, within its limits. The lock of the table is never held while a session
/// is used.
final class SessionTable: Sendable {
  struct Limits: Sendable {
    /// Seconds without use after which a session ends that does not ask for another time.
    var timeToLive: Double
    var sessions: Int
    /// Bytes of all sessions' states.
    var bytes: Int
    /// The longest that a session may ask to be kept without use, in seconds; nil for ever.
    var longestKeepAlive: Double?
  }

  let limits: Limits
  private let table = Lock(Table())

  /// A model that has sessions.
  struct ModelUse {
    let model: ServedModel
    var sessions = 0
  }

  private struct Table {
    var sessions: [String: Session] = [:]
    /// Numbers and names of sessions in the order in which they were made; some have ended.
    var order: [(number: Int, id: String)] = []
    /// The models of all sessions, by their identity: one name may stand for several.
    var uses: [ObjectIdentifier: ModelUse] = [:]
    /// When expired sessions were last looked for because of a limit.
    var lastSearch = Timestamp(milliseconds: 0)
    /// Sessions and their bytes, with those that are being made.
    var count = 0
    var bytes = 0
    var nextNumber = 0
    var ended = EndedSessions()
    /// Those that change as sessions come and go.
    var metrics = SessionMetrics()
    /// The server stops: no more are made.
    var isClosed = false

    mutating func reserve(_ more: Int, within limits: Limits) -> Reservation {
      guard !isClosed else { return .closed }
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

    mutating func add(_ session: Session) {
      sessions[session.id] = session
      metrics.created += 1
      uses[ObjectIdentifier(session.model), default: ModelUse(model: session.model)].sessions += 1
      // Sessions are made at the same time by several threads, so nearly in order.
      let place = order.lastIndex { $0.number < session.number }.map { $0 + 1 } ?? 0
      order.insert((session.number, session.id), at: place)
    }

    mutating func remove(_ session: Session, _ ending: SessionEnding, keptBytes: Int) {
      guard sessions.removeValue(forKey: session.id) != nil else { return }
      release(session.stateBytes + keptBytes)
      forgetUse(of: session.model)
      metrics.ended[ending.reason, default: 0] += 1
      ended.add(session.id, ending)
      if order.count > 2 * sessions.count + 1000 {
        order.removeAll { sessions[$0.id] == nil }
      }
    }

    private mutating func forgetUse(of model: ServedModel) {
      let model = ObjectIdentifier(model)
      uses[model]?.sessions -= 1
      // Nothing may keep the memory of a model that has neither sessions nor new ones to come.
      if uses[model]?.sessions == 0 { uses[model] = nil }
    }

    /// Whether it is time to look for expired sessions, which takes long where there are many.
    mutating func maySearch(_ now: Timestamp) -> Bool {
      guard lastSearch.advanced(by: 1) < now else { return false }
      lastSearch = now
      return true
    }

    /// Live sessions whose number is above `after`, in order, at most `limit`.
    func page(after: Int, limit: Int) -> [Session] {
      var (first, end) = (0, order.count)
      while first < end {
        let middle = (first + end) / 2
        if order[middle].number > after { end = middle } else { first = middle + 1 }
      }
      return Array(order[first...].lazy.compactMap { sessions[$0.id] }.prefix(limit))
    }
  }

  private enum Reservation {
    case granted(number: Int)
    case refused(Limit)
    case closed
  }

  /// What can keep a session from being made.
  enum Limit: String, CaseIterable {
    case sessions = "max_sessions"
    case bytes = "max_session_bytes"
    case memory
  }

  init(limits: Limits) { self.limits = limits }

  // MARK: Making and ending

  /// Makes a session.
  ///
  /// - Parameters:
  ///   - keepAlive: seconds without use after which it ends; nil for never
  ///   - start: where it begins, if not at the model's start state
  /// - Throws: `Problem` 503 where a limit is reached, even without the sessions that have expired.
  func make(
    _ model: ServedModel, keepAlive: Double?, start: consuming Session.Start? = nil
  ) throws(Problem) -> Session {
    let bytes = model.stateBytes
    var reservation = table.withLock { $0.reserve(bytes, within: limits) }
    if case .refused = reservation, table.withLock({ $0.maySearch(.now) }) {
      expire()
      reservation = table.withLock { $0.reserve(bytes, within: limits) }
    }
    switch reservation {
    case .closed:
      throw Problem(.stopping, "the server is stopping and makes no more sessions")
    case .refused(let limit): throw rejection(limit, bytes)
    case .granted(let number):
      do {
        let session = try Session(
          model: model, number: number, now: .now, keepAlive: keepAlive, start: start.take())
        table.withLock { $0.add(session) }
        return session
      } catch {
        table.withLock { $0.release(bytes) }
        throw rejection(.memory, bytes)
      }
    }
  }

  /// Whether no more sessions are made, because the server stops. Those that there are go on.
  var isClosed: Bool {
    get { table.withLock { $0.isClosed } }
    set { table.withLock { $0.isClosed = newValue } }
  }

  var metrics: SessionMetrics {
    table.withLock { table in
      var metrics = table.metrics
      metrics.active = table.count
      metrics.bytes = table.bytes
      return metrics
    }
  }

  private var retryLater: [String: String] {
    ["Retry-After": String(max(1, Int(min(limits.timeToLive, 60))))]
  }

  private func rejection(_ limit: Limit, _ bytes: Int) -> Problem {
    table.withLock { $0.metrics.rejected[limit, default: 0] += 1 }
    let detail =
      switch limit {
      case .sessions: "the server holds at most \(limits.sessions) sessions"
      case .bytes:
        "the server's sessions hold at most \(limits.bytes) bytes; another one needs \(bytes)"
      case .memory: "the machine has no memory for another session of \(bytes) bytes"
      }
    return Problem(
      .limitReached, "\(detail). Delete sessions, or wait until some expire",
      fields: ["limit": .text(limit.rawValue)], headers: retryLater)
  }

  /// Takes a session that has ended out of the table, and remembers how it ended.
  ///
  /// - Parameter keptBytes: of the reply and the events that it kept
  func remove(_ session: Session, _ ending: SessionEnding, keptBytes: Int) {
    table.withLock { $0.remove(session, ending, keptBytes: keptBytes) }
  }

  /// Makes room for a reply that a session keeps in place of another one.
  ///
  /// - Returns: false where there is none; that of the old one is free then
  func exchange(_ old: Int, for new: Int) -> Bool {
    guard old > 0 || new > 0 else { return true }
    return table.withLock { table in
      table.bytes -= old
      guard table.bytes <= limits.bytes - new else { return false }
      table.bytes += new
      return true
    }
  }

  /// Drops the reply that a session keeps: it is not the one to its last steps any more.
  func forgetReply(_ content: inout Session.Content) {
    _ = exchange(content.lastReply?.bytes ?? 0, for: 0)
    content.lastReply = nil
  }

  /// Ends the sessions that have been idle too long.
  func expire(now: Timestamp = .now) {
    for session in all { end(session, ifIdleAt: now) }
  }

  /// Ends what watchers of sessions are sent, because the server stops.
  func stopWatching() {
    for session in all {
      _ = exchange(session.events.end(.stopping(session.id), isFinal: false), for: 0)
    }
  }

  /// Forgets events for which nobody has come back, and shows that connections of watchers are in
  /// use.
  func tendWatchers() {
    for session in all {
      session.events.sendHeartbeat()
      _ = exchange(session.events.forgetUnwatched(), for: 0)
    }
  }

  @discardableResult
  private func end(_ session: Session, ifIdleAt now: Timestamp) -> SessionEnding? {
    guard let end = session.endIfIdle(at: now) else { return nil }
    remove(session, end.ending, keptBytes: end.keptBytes)
    return end.ending
  }

  // MARK: Finding

  /// - Throws: `Problem` 404 where there is none of this name, which says how it ended if it did.
  func find(_ id: String) throws(Problem) -> Session {
    let (found, ended) = table.withLock { ($0.sessions[id], $0.ended[id]) }
    guard let session = found else {
      throw ended.map { .sessionEnded(id, $0) } ?? .noSession(id)
    }
    if let ending = end(session, ifIdleAt: .now) { throw .sessionEnded(id, ending) }
    return session
  }

  /// Whether there is a session of this name that has not ended.
  func contains(_ id: String) -> Bool { table.withLock { $0.sessions[id] != nil } }

  var count: Int { table.withLock { $0.sessions.count } }

  /// The models that have sessions, in no order.
  var modelUses: [ModelUse] { table.withLock { Array($0.uses.values) } }

  private var all: [Session] { table.withLock { Array($0.sessions.values) } }

  /// The first `limit` sessions made after number `after`, in that order, and whether there are more.
  func page(after: Int, limit: Int) -> (sessions: [Session], hasMore: Bool) {
    let page = table.withLock { $0.page(after: after, limit: limit + 1) }
    return (Array(page.prefix(limit)), page.count > limit)
  }
}
