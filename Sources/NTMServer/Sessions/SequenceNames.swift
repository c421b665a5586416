/// The sessions that are sequences of the Open Inference Protocol, by their names.
struct SequenceNames {
  /// Names of sessions that have not ended, with the sessions' ids. Sessions of earlier servers are
  /// here once a request has used them.
  private var live: [String: String] = [:]
  /// The last sessions of names whose sessions have ended. Some are forgotten.
  private var ended: [String: String] = [:]
  /// Hashes of the names that the store had when the server started.
  private var stored: Set<Int>

  /// The limit for ended names.
  private static let endedLimit = 1000

  init(_ stored: Set<Int>) { self.stored = stored }

  static func hash(_ name: String) -> Int { name.hashValue }

  func live(_ name: String) -> String? { live[name] }
  func ended(_ name: String) -> String? { ended[name] }

  /// Whether the store may have a session of this name that is not in `live`.
  func mayBeStored(_ name: String) -> Bool {
    !stored.isEmpty && stored.contains(Self.hash(name))
  }

  /// All sessions of this name in the store are in `live`, or end.
  mutating func noteFound(_ name: String) { stored.remove(Self.hash(name)) }

  /// Gives a name to a session.
  ///
  /// - Returns: the id of the session that had the name
  mutating func begin(_ name: String, _ id: String) -> String? {
    ended[name] = nil
    return live.updateValue(id, forKey: name)
  }

  /// A session has ended.
  mutating func end(_ name: String, _ id: String) {
    guard live[name] == id else { return }
    live[name] = nil
    if ended.count >= Self.endedLimit { ended.removeAll() }
    ended[name] = id
  }

  /// A session has not ended after all, or its successor was withdrawn.
  mutating func restore(_ name: String, _ id: String) {
    guard live[name] == nil else { return }
    live[name] = id
    ended[name] = nil
  }
}
