/// The sessions that were made as sequences of the Open Inference Protocol, by the names that their
/// clients gave them.
final class Sequences: Sendable {
  struct Key: Hashable, Sendable {
    let model: String
    let id: SequenceID

    /// Both in one.
    var text: String { "\(id.json) \(model)" }
  }

  private let sessions: SessionTable
  /// The names of the sessions.
  private let names = Lock<[Key: String]>([:])

  init(_ sessions: SessionTable) { self.sessions = sessions }

  /// Whether a sequence can be found without waiting for a disk; also where there is none of the name.
  func isAtHand(_ key: Key?) -> Bool {
    guard let key else { return true }
    guard sessions.journal.keeps != .nothing else { return true }
    // One that has ended is looked for in the store: its creation may have been withdrawn.
    return names.withLock { $0[key] }.map { sessions.contains($0) } ?? false
  }

  /// - Throws: `Problem` 404 where there is none, or none any more.
  func find(_ key: Key) throws(Problem) -> Session {
    var problem: Problem?
    if let id = names.withLock({ $0[key] }) {
      do throws(Problem) { return try sessions.find(id) } catch {
        // If the creation of a session could not be saved, its predecessor has the name again.
        guard error.kind == .noSuchSession else { throw error }
        problem = error
      }
    }
    guard let session = try sessions.find(sequence: key.text) else {
      if let problem { throw problem }
      throw Problem(
        .noSuchSession,
        "there is no sequence \(key.id.json) of model \"\(key.model)\": its first request has to have "
          + "sequence_start")
    }
    names.withLock { $0[key] = session.id }
    return session
  }

  /// Gives a name to a session.
  ///
  /// - Returns: the session that had the name
  func begin(_ key: Key, _ session: Session) -> Session? {
    let old = names.withLock { names in
      // Sessions also end by themselves; what is left of them is swept now and then.
      if names.count > 1000, names.count > 2 * sessions.count {
        names = names.filter { sessions.contains($0.value) }
      }
      return names.updateValue(session.id, forKey: key)
    }
    return old.flatMap { try? sessions.find($0) }
  }

  /// Takes the name from a session, if it still has it.
  func end(_ key: Key, _ session: Session) {
    names.withLock { names in
      if names[key] == session.id { names[key] = nil }
    }
  }
}
