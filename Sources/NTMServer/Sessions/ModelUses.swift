/// How many sessions each model version has, in memory and in the store together, and the models that
/// these sessions use.
///
/// A model stays loaded while it has sessions, also while all of them are in the store only.
struct ModelUses {
  /// A model as sessions record it.
  struct Key: Hashable, Sendable {
    let name: String
    let digest: String
  }

  private struct Use {
    /// nil while no loaded model has the digest.
    var model: ServedModel?
    var sessions = 0
  }

  private var uses: [Key: Use]

  /// - Parameter counts: of the sessions in the store
  init(_ counts: [Key: Int]) { uses = counts.mapValues { Use(sessions: $0) } }

  mutating func add(_ key: Key, _ model: ServedModel?) {
    uses[key, default: Use()].sessions += 1
    if uses[key]?.model == nil { uses[key]?.model = model }
  }

  /// - Returns: the model if that was its last session, to be released without a lock
  mutating func remove(_ key: Key) -> ServedModel? {
    guard let use = uses[key] else { return nil }
    guard use.sessions <= 1 else {
      uses[key]?.sessions -= 1
      return nil
    }
    uses[key] = nil
    return use.model
  }

  /// Keeps loaded models for sessions whose model was not loaded before. A model of the session's
  /// own name comes first.
  mutating func adopt(_ models: [ServedModel]) {
    for (key, use) in uses where use.model == nil {
      let sameDigest = models.filter { $0.digest == key.digest }
      uses[key]?.model = sameDigest.first { $0.name == key.name } ?? sameDigest.first
    }
  }

  func model(_ key: Key) -> ServedModel? { uses[key]?.model }

  /// The loaded models that have sessions, in no order.
  var all: [SessionTable.ModelUse] {
    var all: [ObjectIdentifier: SessionTable.ModelUse] = [:]
    for use in uses.values {
      guard let model = use.model else { continue }
      all[ObjectIdentifier(model), default: SessionTable.ModelUse(model: model)].sessions +=
        use.sessions
    }
    return Array(all.values)
  }
}

extension Session {
  var modelKey: ModelUses.Key { ModelUses.Key(name: modelName, digest: model.digest) }
}

extension SessionRecord {
  var modelKey: ModelUses.Key { ModelUses.Key(name: modelName, digest: modelDigest) }
}
