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
    do throws(Problem) {
      if let session = try find(sequence: key.text) { return session }
    } catch {
      // The session of the sequence has ended.
      guard error.kind == .noSuchSession else { throw error }
      throw Problem(
        .noSuchSession,
        "\(error.detail): the first request of another sequence has to have sequence_start",
        fields: error.fields)
    }
    throw Problem(
      .noSuchSession,
      "there is no sequence \(key.id.json) of model \"\(key.model)\": its first request has to have "
        + "sequence_start")
  }
}
