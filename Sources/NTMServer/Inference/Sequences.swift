/// How a client names a sequence of a model.
struct SequenceKey: Hashable, Sendable {
  let model: String
  let id: SequenceID

  /// Both in one: the name that the sequence's session has in the table and in the store.
  var text: String { "\(id.json) \(model)" }
}

extension SessionTable {
  /// - Throws: `Problem` 404 if there is no such sequence, or not any more.
  func find(_ key: SequenceKey) throws(Problem) -> Session {
    guard let session = try find(sequence: key.text) else {
      throw Problem(
        .noSuchSession,
        "there is no sequence \(key.id.json) of model \"\(key.model)\": its first request has to have "
          + "sequence_start")
    }
    return session
  }
}
