import Logging
import NTMModel

/// The sessions of a server, within its limits. The lock of the table is never held while a session
/// is used.
final class SessionTable: Sendable {
  struct Limits: Sendable {
    /// Seconds without use after which a session ends that does not ask for another time.
    var timeToLive: Double
    var sessions: Int
    /// Bytes of the states that are in memory.
    var bytes: Int
    /// The longest that a session may ask to be kept without use, in seconds; nil for ever.
    var longestKeepAlive: Double?
  }

  let limits: Limits
  let journal: Journal
  /// The served model that a session of the store has, if there is one.
  let modelOf: @Sendable (SessionRecord) -> ServedModel?
  let table: Lock<Table>
  /// For the way of every request, which the table's lock is not on.
  let directory = SessionDirectory()
  let watched: WatchedSessions

  /// A loaded model, and its sessions in memory and in the store.
  struct ModelUse {
    let model: ServedModel
    var sessions = 0
  }

  /// What can keep a session from being made.
  enum Limit: String, CaseIterable {
    case sessions = "max_sessions"
    case bytes = "max_session_bytes"
    case memory
  }

  /// - Parameters:
  ///   - journal: writes what changes
  ///   - summary: of what the store has
  ///   - modelOf: finds the model of a session of the store
  init(
    limits: Limits, journal: Journal = Journal.none, summary: StoreSummary = StoreSummary(),
    modelOf: @escaping @Sendable (SessionRecord) -> ServedModel? = { _ in nil }
  ) {
    self.limits = limits
    self.journal = journal
    self.modelOf = modelOf
    watched = WatchedSessions(bytes: limits.bytes)
    table = Lock(Table(summary, directory))
  }

  // MARK: Making and ending

  /// Makes a session.
  ///
  /// - Parameters:
  ///   - keepAlive: seconds without use after which it ends; nil for never
  ///   - sequence: its name as a sequence
  ///   - start: where it begins, if not at the model's start state
  ///   - first: takes its first steps, before anybody can find it
  ///   - mayWait: whether to wait for a disk where that makes room
  ///   - reply: what is kept for a client that repeats its request
  /// - Throws: `Problem` 503 where a limit is reached, even without the sessions that have expired,
  ///   or where it can't be saved; or what `first` throws.
  func make(
    _ model: ServedModel, keepAlive: Double?, sequence: String? = nil,
    start: consuming Session.Start? = nil,
    first: (Session, inout Session.Content) throws(Problem) -> Void = { _, _ in },
    mayWait: Bool = false, reply: ((Session) -> KeyedReply)? = nil
  ) throws(Problem) -> Session {
    try journal.checkWritable()
    let bytes = model.stateBytes
    let number = try reserve(bytes, isNew: true, mayWait: mayWait)
    let session: Session
    do {
      session = try Session(
        model: model, number: number, now: journal.clock.now, keepAlive: keepAlive,
        sequence: sequence, start: start.take(), table: self)
    } catch {
      table.withLock { $0.release(bytes, isEnding: true) }
      throw rejection(.memory, bytes)
    }
    do throws(Problem) { try session.prepare(first) } catch {
      table.withLock { $0.release(bytes, isEnding: true) }
      throw error
    }
    table.withLock { $0.add(session) }
    session.begin(reply?(session))
    return session
  }

  /// Makes room for a state: by ending what has expired, by moving out who has not been used for
  /// long.
  ///
  /// - Parameters:
  ///   - isNew: whether it is that of a session that there was not before
  ///   - mayWait: whether to wait for a disk where that makes room
  /// - Returns: the number of a new session
  func reserve(_ bytes: Int, isNew: Bool, mayWait: Bool) throws(Problem) -> Int {
    var reservation = table.withLock { $0.reserve(bytes, isNew: isNew, within: limits) }
    if case .refused(.bytes) = reservation,
      dropUnwatchedEvents(until: { hasRoom(bytes) }) || makeRoom(bytes, mayWait: mayWait)
        || shrinkEvents(until: { hasRoom(bytes) })
    {
      reservation = table.withLock { $0.reserve(bytes, isNew: isNew, within: limits) }
    }
    if case .refused = reservation, table.withLock({ $0.maySearch(journal.clock.now) }) {
      expire(mayWait: mayWait)
      reservation = table.withLock { $0.reserve(bytes, isNew: isNew, within: limits) }
    }
    switch reservation {
    case .granted(let number): return number
    case .refused(let limit): throw rejection(limit, bytes)
    case .closed: throw Problem(.stopping, "the server is stopping and makes no more sessions")
    }
  }

  /// Whether a state has room as it is.
  func hasRoom(_ bytes: Int) -> Bool { table.withLock { $0.bytes <= limits.bytes - bytes } }

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

  /// Sessions whose state is in memory.
  var inMemoryCount: Int { table.withLock { $0.sessions.count } }

  private var retryLater: [String: String] {
    ["Retry-After": String(max(1, Int(min(limits.timeToLive, 60))))]
  }

  private func rejection(_ limit: Limit, _ bytes: Int) -> Problem {
    table.withLock { $0.metrics.rejected[limit, default: 0] += 1 }
    let hint = "Delete sessions, or wait until some expire"
    let (detail, headers) =
      switch limit {
      case .sessions: ("the server holds at most \(limits.sessions) sessions. \(hint)", retryLater)
      case .bytes where journal.keeps != .nothing:
        (
          "the server has room for \(limits.bytes) bytes of sessions at a time, and all of them are "
            + "in use; another one needs \(bytes). Try again in a moment", [:]
        )
      case .bytes:
        (
          "the server's sessions hold at most \(limits.bytes) bytes; another one needs \(bytes). "
            + hint, retryLater
        )
      case .memory:
        ("the machine has no memory for another session of \(bytes) bytes. \(hint)", retryLater)
      }
    return Problem(
      .limitReached, detail, fields: ["limit": .text(limit.rawValue)], headers: headers)
  }

  /// Takes a session that has ended out of the table, and remembers how it ended.
  ///
  /// - Parameter bytes: that its state and all else that it kept took
  func remove(_ session: Session, _ ending: SessionEnding, bytes: Int) {
    // Released without the lock, because a model's memory is large.
    _ = table.withLock { $0.remove(session, ending, bytes: bytes) }
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

  /// Keeps a reply in place of the one that a session has. Where there is a store, there is always
  /// room: others move out for it when the next state needs some.
  ///
  /// - Returns: false where there is no room; that of the old one is free then
  func keep(_ reply: RepeatableReply, in content: inout Session.Content) -> Bool {
    let old = content.lastReply?.bytes ?? 0
    content.lastReply = reply
    guard journal.keeps == .nothing else {
      table.withLock { $0.bytes += reply.bytes - old }
      return true
    }
    return exchange(old, for: reply.bytes)
  }

  /// Drops the reply that a session keeps: it is not the one to its last steps any more.
  func forgetReply(_ content: inout Session.Content) {
    _ = exchange(content.lastReply?.bytes ?? 0, for: 0)
    content.lastReply = nil
  }

  /// Ends the sessions that have been idle too long.
  ///
  /// - Parameter mayWait: whether to look in the store, too
  func expire(mayWait: Bool = true) {
    let now = journal.clock.now
    for session in all { _ = session.endIfIdle(at: now) }
    // Also those whose state is in the store only.
    for session in watched.all { _ = session.endIfIdle(at: now) }
    if mayWait { expireStored(now) }
  }

  /// Has the store note when sessions were last used.
  func saveActivity() {
    for session in all { session.saveActivity() }
  }

  // MARK: Finding

  /// The loaded models that have sessions, in no order.
  var modelUses: [ModelUse] { table.withLock { $0.uses.all } }

  /// Keeps these models for the sessions that have them and whose model was not loaded before.
  func adopt(_ models: [ServedModel]) { table.withLock { $0.uses.adopt(models) } }

  /// The model of a session of the store; nil if no loaded model has its digest.
  func model(of record: SessionRecord) -> ServedModel? {
    table.withLock { $0.uses.model(record.modelKey) } ?? modelOf(record)
  }

  var count: Int { table.withLock { $0.count } }

  /// Whether there is a session of this name in memory, that has not ended.
  func contains(_ id: String) -> Bool { table.withLock { $0.handle(id) != nil } }

  var all: [Session] { table.withLock { $0.residents } }
}

extension Journal {
  /// Of sessions that end with the server.
  static let none = Journal(MemorySessionStore(), .none, Logger(label: "ntm"))
}
