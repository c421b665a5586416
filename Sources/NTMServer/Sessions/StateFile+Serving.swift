import NTMModel

extension StateFile {
  /// Whether a body looks like safetensors, whatever its `Content-Type` says: a length whose upper
  /// bytes are zero, and then the header's brace. No JSON begins so.
  static func isLikely(_ body: [UInt8]) -> Bool {
    body.count > 8 && body[7] == 0 && body[8] == UInt8(ascii: "{")
  }

  /// - Throws: `Problem` 422.
  init(checking body: [UInt8]) throws(Problem) {
    do throws(Damage) {
      try self.init(body)
    } catch {
      throw .damaged(error)
    }
  }

  /// - Throws: `Problem` 422, or 503 where the machine has no memory for it.
  func start(of model: ServedModel) throws(Problem) -> Session.Start {
    do {
      return Session.Start(state: try state(of: model.model), step: step)
    } catch let error as Damage {
      throw .damaged(error)
    } catch {
      throw Problem(.limitReached, "the machine has no memory for this state: \(error)")
    }
  }
}

extension ModelPool {
  /// The model of a session of the store; nil where none with its numbers is served.
  func model(of record: SessionRecord) -> ServedModel? {
    if let named = self[record.modelName], named.digest == record.modelDigest { return named }
    return models.first { $0.digest == record.modelDigest }
  }

  /// The model whose state a file holds.
  ///
  /// - Throws: `Problem` 409 where it is not served.
  func model(of file: StateFile) throws(Problem) -> ServedModel {
    if let named = self[file.modelName], named.digest == file.modelDigest { return named }
    if let other = models.first(where: { $0.digest == file.modelDigest }) { return other }
    guard let named = self[file.modelName] else {
      throw Problem(
        .otherModel,
        "the state is of model '\(file.modelName)', sha256:\(file.modelDigest), which is not served",
        fields: ["got": .text("sha256:\(file.modelDigest)")])
    }
    throw .otherModel(file, named.digest)
  }
}

extension Problem {
  fileprivate static func damaged(_ damage: StateFile.Damage) -> Problem {
    Problem(.damagedState, "the body is not a state: \(damage)")
  }

  static func otherModel(_ file: StateFile, _ digest: String) -> Problem {
    Problem(
      .otherModel,
      "the state is of model '\(file.modelName)', sha256:\(file.modelDigest); this one is "
        + "sha256:\(digest)",
      fields: ["expected": .text("sha256:\(digest)"), "got": .text("sha256:\(file.modelDigest)")])
  }
}

extension Character {
  /// What a file name in a header may have without quoting.
  var isPlain: Bool {
    isASCII && (isLetter || isNumber || self == "-" || self == "." || self == "_")
  }
}
