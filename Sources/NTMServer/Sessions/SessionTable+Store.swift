import NTMModel

/// Sessions that come from the store and go there.
extension SessionTable {
  /// What there is of a session: in memory or in somebody's hand, or in the store alone.
  enum Found {
    case session(Session)
    case record(SessionRecord)

    var record: SessionRecord {
      switch self {
      case .session(let session): session.record
      case .record(let record): record
      }
    }
  }

  /// Whether the session that a path names can be found without waiting for a disk.
  func isAtHand(_ context: Router.Context) -> Bool {
    if journal.keeps == .nothing || inMemory(context) != nil { return true }
    // What can't be decoded is no session, and the handler says so.
    return (try? context.parameter(0)).map(isAtHand) ?? true
  }

  private func inMemory(_ context: Router.Context) -> Session? {
    context.withParameter(0) { SessionID.Bits($0) }.flatMap { directory[$0] }
  }

  /// The session that a path names.
  ///
  /// - Throws: as the other `find`.
  func find(_ context: Router.Context) throws(Problem) -> Session {
    if let session = inMemory(context) { return try session.unlessExpired() }
    return try find(context.parameter(0))
  }

  /// Whether a session of this name can be found without waiting for a disk.
  func isAtHand(_ id: String) -> Bool {
    journal.keeps == .nothing || directory[id] != nil
      || table.withLock { $0.handle(id) != nil || $0.ended[id] != nil }
  }

  /// - Throws: `Problem` 404 where there is none of this name, which says how it ended if it did, 500
  ///   where it is damaged, 503 where its model is not served or the store fails.
  func find(_ id: String) throws(Problem) -> Session {
    switch try look(for: id) {
    case .session(let session): return session
    case .record(let record):
      if let damage = record.damage { throw .damaged(id, damage) }
      throw .modelNotServed(record)
    }
  }

  /// - Throws: `Problem` 404 where there is none of this name, which says how it ended if it did, and
  ///   503 where the store fails.
  func look(for id: String) throws(Problem) -> Found {
    // One that is damaged is not in memory.
    if let session = directory[id] { return .session(try session.unlessExpired()) }
    let (found, ended) = table.withLock { ($0.handle(id), $0.ended[id]) }
    if let session = try found?.unlessExpired() {
      if let reason = table.withLock({ $0.damaged[id] }) {
        return .record(session.record.damaged(reason))
      }
      return .session(session)
    }
    if let ended { throw .sessionEnded(id, ended) }
    guard journal.keeps != .nothing, SessionID.isOne(id) else { throw .noSession(id) }
    let record = try Self.reading(id) { () throws(StoreError) in
      try journal.store.record(id: id)
    }
    return try receive(record, id)
  }

  /// Takes a session in hand that the store has.
  private func receive(_ record: SessionRecord?, _ id: String) throws(Problem) -> Found {
    guard let record else { throw .noSession(id) }
    // A damaged record has no expiry.
    if let expiry = record.expiresAt(since: journal.begin), expiry < journal.clock.now {
      let ending = SessionEnding(reason: .expired, at: journal.clock.wallClock(expiry))
      discard(record, ending)
      throw .sessionEnded(id, ending)
    }
    if let reason = table.withLock({ $0.damaged[id] }) { return .record(record.damaged(reason)) }
    guard record.damage == nil, let model = model(of: record) else { return .record(record) }
    let new = Session(record, model: model, table: self)
    let (session, ending) = table.withLock { table -> (Session, SessionEnding?) in
      if let ending = table.ended[id] { return (new, ending) }
      // Somebody else may have been faster.
      if let known = table.handle(id) { return (known, nil) }
      table.hold(new)
      return (new, nil)
    }
    if let ending { throw .sessionEnded(id, ending) }
    return .session(session)
  }

  // MARK: Into memory

  /// The content of a session whose turn the caller has.
  ///
  /// - Throws: `Problem` 503 where there is no room or the store fails, and 500 where what it has is
  ///   damaged.
  func load(_ session: Session) throws(Problem) -> Session.Content {
    _ = try reserve(session.stateBytes, isNew: false, mayWait: true)
    do throws(Problem) {
      let stored = try Self.reading(session.id) { () throws(StoreError) in
        try journal.store.content(of: session.number)
      }
      guard let stored else { throw .noSession(session.id) }
      var content = try session.restore(stored)
      if let reply = content.lastReply {
        content.lastReply = nil
        _ = keep(reply, in: &content)
      }
      journal.metrics.loaded()
      table.withLock { $0.enter(session) }
      return content
    } catch {
      table.withLock { $0.release(session.stateBytes, isEnding: false) }
      if error.kind == .damagedSession, case .text(let reason) = error.fields["reason"] {
        quarantine(session.record, reason)
        throw .damaged(session.id, reason)
      }
      throw error
    }
  }

  func quarantine(_ record: SessionRecord, _ reason: String) {
    let session = table.withLock { $0.quarantine(record.id, reason) }
    session?.events.disconnect()
    journal.quarantine(record, reason)
  }

  static func reading<Result>(
    _ id: String = "", _ read: () throws(StoreError) -> Result
  ) throws(Problem) -> Result {
    do throws(StoreError) { return try read() } catch {
      if error.kind == .damaged { throw .damaged(id, error.reason) }
      throw Problem(
        .storeUnavailable,
        "the session can't be had from the store: \(error.reason). Try again later",
        fields: ["reason": .text(error.reason)])
    }
  }

  // MARK: Out of memory

  /// A session's state is in the store only.
  ///
  /// - Parameter hadEnded: whether it was on the way to its end, which was taken back
  func movedOut(_ session: Session, bytes: Int, hadEnded: Bool = false) {
    table.withLock { table in
      table.moveOut(session, bytes: bytes)
      if hadEnded { table.revive(session.record, session.model, .deleted) }
    }
  }

  /// Sessions that are looked at to find one that has not been used for long.
  private static let sample = 32

  /// Moves sessions out of memory until there is room.
  ///
  /// - Parameter mayWait: whether to wait until those are saved that are not yet
  /// - Returns: whether there is
  func makeRoom(_ bytes: Int, mayWait: Bool) -> Bool {
    guard journal.keeps != .nothing else { return false }
    switch moveOut(bytes) {
    case .done: return true
    case .inUse: return false
    case .saving:
      guard mayWait else {
        journal.hurry()
        return false
      }
      return journal.waitForCommit() && moveOut(bytes) == .done
    }
  }

  private func moveOut(_ bytes: Int) -> Session.Departure {
    var isSaving = false
    // The longest unused of some, as Redis does it: to keep all in order would cost every step.
    for _ in 0..<8 {
      let candidates = table.withLock { table in
        (0..<min(Self.sample, table.residents.count)).compactMap { _ in
          table.residents.randomElement()
        }
      }
      for session in candidates.sorted(by: { $0.lastActivity < $1.lastActivity }) {
        switch session.moveOut() {
        case .inUse: continue
        case .saving: isSaving = true
        case .done:
          journal.metrics.movedOut()
          if hasRoom(bytes) { return .done }
        }
      }
    }
    return isSaving ? .saving : .inUse
  }

  // MARK: Ending

  /// Ends a session that is in the store only.
  ///
  /// - Parameters:
  ///   - isFinal: whether the session ends even if that can't be saved
  ///   - report: receives the outcome; see `SaveWaiter`
  func discard(
    _ record: SessionRecord, _ ending: SessionEnding, isFinal: Bool = false,
    _ report: @escaping @Sendable (SaveOutcome) -> Void = { _ in }
  ) {
    if discard([(record, ending)], isFinal: isFinal, report) == 0 { report(.saved) }
  }

  /// Ends sessions now. Those whose end can't be saved are there again.
  ///
  /// - Parameter report: receives the outcome of each
  /// - Returns: how many have ended; others ended before, or are in use and end otherwise
  private func discard(
    _ sessions: [(record: SessionRecord, ending: SessionEnding)], isFinal: Bool = false,
    _ report: @escaping @Sendable (SaveOutcome) -> Void
  ) -> Int {
    // The models are released without the lock.
    let (gone, models) = table.withLock { table in
      let gone = sessions.filter {
        let id = $0.record.id
        return (table.handle(id) == nil || table.damaged[id] != nil) && table.ended[id] == nil
      }
      return (gone, gone.map { record, ending in table.forget(record, ending) })
    }
    journal.discard(
      zip(gone, models).map { ended, model in
        let (record, ending) = ended
        return Discard(
          StoredChange(session: record.number, lastActivity: ending.at, isEnded: true)
        ) { outcome in
          switch outcome {
          case .withdrawn where !isFinal, .settled(isSaved: false) where !isFinal:
            self.table.withLock { $0.revive(record, model, ending.reason) }
          case .saved, .kept, .withdrawn, .overdue, .settled: break
          }
          report(outcome)
        }
      })
    return gone.count
  }

  /// Ends the sessions of the store that nobody has used for their time.
  func expireStored(_ now: Timestamp) {
    guard journal.keeps != .nothing else { return }
    while !journal.isFailing {
      let expired = try? journal.store.expired(at: now, since: journal.begin, limit: 1000)
      let endings = (expired ?? []).filter { $0.damage == nil }.compactMap { record in
        record.expiresAt(since: journal.begin).map {
          (record, SessionEnding(reason: .expired, at: journal.clock.wallClock($0)))
        }
      }.filter { record, _ in
        // One that has ended and is found again can't be deleted from a damaged database.
        table.withLock { $0.handle(record.id) == nil && $0.ended[record.id] == nil }
      }
      guard !endings.isEmpty, discardAndWait(endings) else { return }
    }
  }

  /// - Returns: whether all ends were saved within a second
  private func discardAndWait(
    _ sessions: [(record: SessionRecord, ending: SessionEnding)]
  ) -> Bool {
    let saved = Monitor(0)
    let count = discard(sessions) { outcome in
      guard case .saved = outcome else { return }
      saved.withLock { $0 += 1 }
      saved.broadcast()
    }
    guard count > 0 else { return false }
    journal.hurry()
    return saved.wait(until: monotonicNanoseconds() + 1_000_000_000) { $0 == count ? true : nil }
      ?? false
  }

  // MARK: The list

  /// The first `limit` sessions made after number `after`, in that order, and whether there are more.
  func page(
    after: Int, limit: Int
  ) throws(Problem) -> (sessions: [Found], hasMore: Bool) {
    var found: [(number: Int, found: Found)] = table.withLock {
      $0.page(after: after, limit: limit + 1)
    }.map { ($0.number, .session($0)) }
    if journal.keeps != .nothing {
      let known = Set(found.map(\.number))
      for record in try storedPage(after: after, limit: limit + 1)
      where !known.contains(record.number) {
        found.append((record.number, described(record)))
      }
      found.sort { $0.number < $1.number }
    }
    return (found.prefix(limit).map(\.found), found.count > limit)
  }

  /// As many of the store as there are, without those whose end is not saved yet.
  private func storedPage(after: Int, limit: Int) throws(Problem) -> [SessionRecord] {
    var page: [SessionRecord] = []
    var after = after
    while page.count < limit {
      let records = try Self.reading { () throws(StoreError) in
        try journal.store.page(after: after, limit: limit)
      }
      page += table.withLock { table in records.filter { table.ended[$0.id] == nil } }
      guard records.count == limit, let last = records.last else { break }
      after = last.number
    }
    return Array(page.prefix(limit))
  }

  private func described(_ record: SessionRecord) -> Found {
    let (handle, damage) = table.withLock { ($0.handle(record.id), $0.damaged[record.id]) }
    if let damage { return .record(record.damaged(damage)) }
    return handle.map { .session($0) } ?? .record(record)
  }
}

extension Session {
  /// - Throws: `Problem` 404 where it has been idle for its time, which ends it.
  fileprivate func unlessExpired() throws(Problem) -> Session {
    if let ending = endIfIdle(at: journal.clock.now) { throw .sessionEnded(id, ending) }
    return self
  }
}

extension SessionRecord {
  fileprivate func damaged(_ reason: String) -> SessionRecord {
    var record = self
    record.damage = reason
    return record
  }
}

extension Problem {
  fileprivate static func modelNotServed(_ record: SessionRecord) -> Problem {
    Problem(
      .modelNotServed,
      "session \"\(record.id)\" is of model '\(record.modelName)', sha256:\(record.modelDigest), "
        + "which is not loaded; the session resumes once it is",
      fields: ["expected": .text("sha256:\(record.modelDigest)")])
  }
}
