/// How sessions ended, for clients that still ask for them. The oldest are forgotten.
struct EndedSessions {
  private var endings: [String: SessionEnding] = [:]
  /// A ring of their names.
  private var order: [String] = []
  private var next = 0

  /// How many are remembered.
  static let limit = 10_000

  subscript(id: String) -> SessionEnding? { endings[id] }

  /// Forgets that a session has ended.
  mutating func remove(_ id: String) { endings[id] = nil }

  mutating func add(_ id: String, _ ending: SessionEnding) {
    endings[id] = ending
    if order.count < Self.limit {
      order.append(id)
    } else {
      endings[order[next]] = nil
      order[next] = id
      next = (next + 1) % Self.limit
    }
  }
}
