/// The sessions that were made as sequences of the Open Inference Protocol, by the names that their
/// clients gave them.
final class Sequences: Sendable {
  struct Key: Hashable, Sendable {
    let model: String
    let id: SequenceID
  }

  private let sessions: SessionTable
  private let names = Lock<[Key: Session]>([:])

  init(_ sessions: SessionTable) { self.sessions = sessions }

  /// - Throws: `Problem` 404 where there is none, or none any more.
  func find(_ key: Key) throws(Problem) -> Session {
    guard let session = names.withLock({ $0[key] }) else {
      throw Problem(
        .noSuchSession,
        "there is no sequence \(key.id.json) of model \"\(key.model)\": its first request has to have "
          + "sequence_start")
    }
    return try sessions.find(session.id)
  }

  /// Gives a name to a session.
  ///
  /// - Returns: the session that had the name
  func begin(_ key: Key, _ session: Session) -> Session? {
    names.withLock { names in
      // Sessions also end by themselves; what is left of them is swept now and then.
      if names.count > 1000, names.count > 2 * sessions.count {
        names = names.filter { sessions.contains($0.value.id) }
      }
      return names.updateValue(session, forKey: key)
    }
  }

  /// Takes the name from a session, if it still has it.
  func end(_ key: Key, _ session: Session) {
    names.withLock { names in
      if names[key] === session { names[key] = nil }
    }
  }
}
