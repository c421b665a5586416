/// The sessions in memory by their names, for requests: a copy of what the table says, in parts with a
/// lock each, so that threads that step different sessions rarely meet.
///
/// Whoever finds a session here may find that it has ended or moved out meanwhile, as if the table had
/// been asked a moment before.
final class SessionDirectory: Sendable {
  private static let count = 16
  private let shards = InlineArray<16, Lock<[SessionID.Bits: Session]>> { _ in Lock([:]) }

  subscript(id: String) -> Session? {
    get { SessionID.Bits(id).flatMap { self[$0] } }
    set {
      // What is imported may have another name; such a session is found in the table.
      if let bits = SessionID.Bits(id) { self[bits] = newValue }
    }
  }

  subscript(bits: SessionID.Bits) -> Session? {
    get { shards[bits.low % Self.count].withLock { $0[bits] } }
    set { shards[bits.low % Self.count].withLock { $0[bits] = newValue } }
  }
}
