import Synchronization

/// Sequences of the Open Inference Protocol. At most one session has a name; the newest one wins.
extension SessionTable {
  /// Whether the sessions of a sequence's name can be found without waiting for a disk.
  ///
  /// - Parameter starts: whether the request begins the sequence
  func isAtHand(sequence name: String, starts: Bool) -> Bool {
    guard journal.keeps != .nothing else { return true }
    let (id, mayBeStored) = table.withLock {
      ($0.sequences.live(name), $0.sequences.mayBeStored(name))
    }
    if let id, !(starts && mayBeStored) { return isAtHand(id) }
    return !mayBeStored
  }

  /// The session of a sequence's name; nil if there is none.
  ///
  /// - Throws: as `find`.
  func find(sequence name: String) throws(Problem) -> Session? {
    let (id, ended, mayBeStored) = table.withLock {
      ($0.sequences.live(name), $0.sequences.ended(name), $0.sequences.mayBeStored(name))
    }
    if let id { return try find(id) }
    if mayBeStored, let newest = try resolve(name) { return try find(newest) }
    return try ended.map { id throws(Problem) in try find(id) }
  }

  /// Names the newest stored session of a sequence's name, and ends the others: older versions could
  /// leave several.
  ///
  /// - Returns: its id
  private func resolve(_ name: String) throws(Problem) -> String? {
    let found = try storedSessions(name)
    for older in found.dropFirst() { supersede(older) }
    return table.withLock { table in
      table.sequences.noteFound(name)
      if let newest = found.first { table.sequences.restore(name, newest.record.id) }
      return table.sequences.live(name)
    }
  }

  /// The sessions in the store that have a sequence's name and have not ended, the newest first.
  private func storedSessions(_ name: String) throws(Problem) -> [Found] {
    let records = try Self.reading { () throws(StoreError) in
      try journal.store.records(sequence: name)
    }
    var found: [Found] = []
    for record in records {
      if let session = try lookIfPresent(record.id) { found.append(session) }
    }
    return found
  }

  private func lookIfPresent(_ id: String) throws(Problem) -> Found? {
    do throws(Problem) { return try look(for: id) } catch {
      guard error.kind == .noSuchSession else { throw error }
      return nil
    }
  }

  /// The sessions that a new session of a sequence's name replaces.
  func predecessors(_ name: String) throws(Problem) -> [Found] {
    let (id, mayBeStored) = table.withLock {
      ($0.sequences.live(name), $0.sequences.mayBeStored(name))
    }
    var found = mayBeStored ? try storedSessions(name) : []
    if let id, !found.contains(where: { $0.record.id == id }), let named = try lookIfPresent(id) {
      found.append(named)
    }
    return found
  }

  /// Makes the session of a sequence, takes its first steps, and ends the sessions that had the name
  /// before.
  ///
  /// The session and its steps are saved in one commit, which also deletes the predecessors. A
  /// predecessor ends in memory when that is saved, so that it lives on if it can't be.
  ///
  /// - Throws: `Problem` as `make`, or what `steps` throws; nothing is changed then.
  func begin(
    sequence name: String, _ model: ServedModel, keepAlive: Double?, _ claim: KeyClaim?,
    _ steps: (Session, inout Session.Content) throws(Problem) -> HTTPResponse
  ) throws(Problem) -> HTTPOutcome {
    var predecessors = try predecessors(name)
    var response = HTTPResponse(status: 200)
    var replaced: String?
    let session = try make(
      model, keepAlive: keepAlive, sequence: name,
      first: { session, content throws(Problem) in
        response = try steps(session, &content)
        // Before it can be saved: if that fails, the session takes its name with it.
        replaced = table.withLock { $0.sequences.begin(name, session.id) }
      },
      reply: claim.map { claim in
        { claim.reply(response, AppliedSteps($0.id, step: $0.step)) }
      })
    // Another request may have begun the sequence meanwhile.
    if let replaced, !predecessors.contains(where: { $0.record.id == replaced }),
      let found = try? lookIfPresent(replaced)
    {
      predecessors.append(found)
    }
    let ending = predecessors
    session.whenSaved(.first) { outcome in
      switch outcome {
      case .saved, .kept, .settled(isSaved: true):
        for predecessor in ending { self.supersede(predecessor) }
        self.table.withLock { $0.sequences.noteFound(name) }
      case .withdrawn, .settled(isSaved: false):
        guard let last = ending.last?.record.id else { return }
        self.table.withLock { $0.sequences.restore(name, last) }
      case .overdue: break
      }
    }
    return session.acknowledged(
      Session.Answer(response, .first, step: session.step), claim)
  }

  /// Ends a session because another one has its name now.
  private func supersede(_ found: Found) {
    switch found {
    case .session(let session): session.supersede()
    case .record(let record):
      // If this fails, the commit of the new session deletes it.
      discard(record, SessionEnding(reason: .deleted, at: .now), isFinal: true)
    }
  }

  /// Ends the sessions of a sequence's name and then answers a request that both begins and ends the
  /// sequence.
  func end(sequence name: String, _ response: HTTPResponse) throws(Problem) -> HTTPOutcome {
    let predecessors = try predecessors(name)
    for older in predecessors.dropLast() { supersede(older) }
    switch predecessors.last {
    case nil: break
    case .session(let session): return try session.delete(answering: response)
    case .record(let record): return delete(record, answering: response)
    }
    return .respond(response)
  }

  /// Ends a session that is in the store only, and answers when the outcome is known.
  func delete(_ record: SessionRecord, answering response: HTTPResponse) -> HTTPOutcome {
    .later { completion in
      self.discard(record, SessionEnding(reason: .deleted, at: .now)) { outcome in
        switch outcome {
        case .saved, .kept: completion.finish(response)
        case .withdrawn(let problem): completion.finish(problem.response)
        case .overdue: completion.finish(Problem.unconfirmed(record.id, step: nil).response)
        case .settled: break
        }
      }
    }
  }
}

extension Session {
  /// Ends the session because another one has its name now. That can't be taken back: the other one's
  /// commit has deleted what the store had of this session.
  fileprivate func supersede() {
    isSuperseded.store(true, ordering: .relaxed)
    // Not among those whose number is limited: it must not fail.
    try? whenFree(.stream) { _ in _ = try? self.end(.deleted) }
  }
}
