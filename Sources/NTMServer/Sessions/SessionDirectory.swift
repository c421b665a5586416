/// The sessions in memory by their names, for requests: a copy of what the table says, in parts with a
/// lock each, so that threads that step different sessions rarely meet.
///
/// Whoever finds a session here may find that it has ended or moved out meanwhile, as if the table had
/// been asked a moment before.
final class SessionDirectory: Sendable {
  private static let count = 16
  private let shards = InlineArray<16, Lock<[String: Session]>> { _ in Lock([:]) }

  subscript(id: String) -> Session? {
    get { shards[Self.shard(of: id)].withLock { $0[id] } }
    set { shards[Self.shard(of: id)].withLock { $0[id] = newValue } }
  }

  /// Each character of a session's name is six random bits, but the first.
  private static func shard(of id: String) -> Int { Int(id.utf8.last ?? 0) % count }
}
