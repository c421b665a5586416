extension SessionTable {
  /// What the table's lock guards.
  struct Table {
    /// Those whose state is in memory, and where they stand among `residents`.
    private(set) var sessions: [String: (session: Session, index: Int)] = [:]
    private let directory: SessionDirectory
    /// The same, to take some at random.
    private(set) var residents: [Session] = []
    /// Those whose state is in the store, as long as somebody has them in hand: nobody may make
    /// another one of the same name.
    private var away: [String: Away] = [:]
    /// Numbers and names of sessions in memory in the order in which they were made; some are gone.
    private var order: [(number: Int, id: String)] = []
    /// The models of all sessions.
    var uses: ModelUses
    /// Sessions by the names of their sequences.
    var sequences: SequenceNames
    /// When expired sessions were last looked for because of a limit.
    private var lastSearch = Timestamp(milliseconds: 0)
    /// All sessions, with those that are being made.
    private(set) var count: Int
    /// Of the sessions in memory, with those that are coming.
    var bytes = 0
    private var lastNumber: Int
    var ended = EndedSessions()
    /// Those of the store that can't be used, and why.
    var damaged: [String: String] = [:]
    /// Those that change as sessions come and go.
    var metrics = SessionMetrics()
    /// The server stops: no more are made.
    var isClosed = false

    private struct Away {
      weak var session: Session?
    }

    /// - Parameter directory: is told of every session that comes into memory or leaves it
    init(_ summary: StoreSummary, _ directory: SessionDirectory) {
      self.directory = directory
      count = summary.sessions
      uses = ModelUses(summary.models)
      sequences = SequenceNames(summary.sequences)
      lastNumber = summary.lastNumber
    }

    mutating func reserve(_ more: Int, isNew: Bool, within limits: Limits) -> Reservation {
      guard !isNew || !isClosed else { return .closed }
      guard !isNew || count < limits.sessions else { return .refused(.sessions) }
      guard bytes <= limits.bytes - more else { return .refused(.bytes) }
      bytes += more
      guard isNew else { return .granted(number: 0) }
      count += 1
      lastNumber += 1
      return .granted(number: lastNumber)
    }

    mutating func release(_ less: Int, isEnding: Bool) {
      bytes -= less
      if isEnding { count -= 1 }
    }

    // MARK: Coming and going

    /// A new session.
    mutating func add(_ session: Session) {
      metrics.created += 1
      uses.add(session.modelKey, session.model)
      enter(session)
    }

    /// A session is in memory.
    mutating func enter(_ session: Session) {
      guard sessions[session.id] == nil else { return }
      sessions[session.id] = (session, residents.count)
      directory[session.id] = session
      residents.append(session)
      away[session.id] = nil
      // Sessions are made at the same time by several threads, so nearly in order. One that comes back
      // may still have its old place.
      let place = place(after: session.number)
      if place == 0 || order[place - 1].number != session.number {
        order.insert((session.number, session.id), at: place)
      }
    }

    private mutating func leave(_ session: Session) {
      guard let entry = sessions.removeValue(forKey: session.id) else { return }
      directory[session.id] = nil
      let last = residents.removeLast()
      if last !== session {
        residents[entry.index] = last
        sessions[last.id]?.index = entry.index
      }
      let place = place(after: session.number) - 1
      if place == order.count - 1 {
        order.removeLast()
      } else if order.count > 2 * sessions.count + 1000 {
        order.removeAll { sessions[$0.id] == nil }
      }
    }

    /// A session is in the store only.
    mutating func moveOut(_ session: Session, bytes: Int) {
      leave(session)
      hold(session)
      self.bytes -= bytes
    }

    /// A session that somebody has in hand.
    mutating func hold(_ session: Session) {
      if away.count > 1000, away.count > 2 * sessions.count {
        away = away.filter { $0.value.session != nil }
      }
      away[session.id] = Away(session: session)
    }

    /// A session can't be used. It is found in the store only from now on, where it can be deleted even
    /// while a request or a watcher still has it.
    ///
    /// - Returns: the session if there is still a reference to it
    mutating func quarantine(_ id: String, _ reason: String) -> Session? {
      damaged[id] = reason
      return away.removeValue(forKey: id)?.session
    }

    /// - Returns: the model if that was its last session, to be released without the lock
    mutating func remove(
      _ session: Session, _ ending: SessionEnding, bytes: Int
    ) -> ServedModel? {
      guard handle(session.id) === session else { return nil }
      leave(session)
      away[session.id] = nil
      self.bytes -= bytes
      return forget(session.id, session.modelKey, session.sequence, ending)
    }

    /// A session that was in the store only has ended.
    ///
    /// - Returns: as `remove`
    mutating func forget(_ record: SessionRecord, _ ending: SessionEnding) -> ServedModel? {
      forget(record.id, record.modelKey, record.sequence, ending)
    }

    private mutating func forget(
      _ id: String, _ model: ModelUses.Key, _ sequence: String?, _ ending: SessionEnding
    ) -> ServedModel? {
      count -= 1
      damaged[id] = nil
      // A damaged session may still be in hand.
      away[id] = nil
      metrics.ended[ending.reason, default: 0] += 1
      ended.add(id, ending)
      if let sequence { sequences.end(sequence, id) }
      return uses.remove(model)
    }

    /// A session has not ended, because that could not be saved.
    ///
    /// - Parameter model: nil if it is not loaded
    mutating func revive(
      _ record: SessionRecord, _ model: ServedModel?, _ reason: SessionEnding.Reason
    ) {
      count += 1
      metrics.ended[reason, default: 0] -= 1
      ended.remove(record.id)
      uses.add(record.modelKey, model)
      if let sequence = record.sequence { sequences.restore(sequence, record.id) }
    }

    // MARK: Finding

    /// A session that is in memory, or that somebody has in hand.
    func handle(_ id: String) -> Session? { sessions[id]?.session ?? away[id]?.session }

    /// Whether it is time to look for expired sessions, which takes long where there are many.
    mutating func maySearch(_ now: Timestamp) -> Bool {
      guard lastSearch.advanced(by: 1) < now else { return false }
      lastSearch = now
      return true
    }

    /// The index of the first whose number is above `number`.
    private func place(after number: Int) -> Int {
      var (first, end) = (0, order.count)
      while first < end {
        let middle = (first + end) / 2
        if order[middle].number > number { end = middle } else { first = middle + 1 }
      }
      return first
    }

    /// Sessions in memory whose number is above `after`, in order, at most `limit`.
    func page(after: Int, limit: Int) -> [Session] {
      Array(
        order[place(after: after)...].lazy.compactMap { sessions[$0.id]?.session }.prefix(limit))
    }
  }

  enum Reservation {
    case granted(number: Int)
    case refused(Limit)
    case closed
  }
}
