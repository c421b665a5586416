import NTMModel

/// What a thread needs to step a model and write down the result; reused from step to step.
final class StepRoom {
  var workspace: Workspace
  /// x of the last step.
  var input: [Float] = []
  var text = ByteBuffer()

  init(_ served: ServedModel) throws(AllocationError) {
    workspace = try served.model.makeWorkspace()
  }

  /// An array for another input, in the place that the last one had if nobody holds that.
  func takeInput() -> [Float] {
    defer { input = [] }
    return input
  }
}

/// The unused rooms of a model, in parts with a lock each. A thread tries its own part first, where it
/// rarely meets another.
struct StepRooms: ~Copyable, Sendable {
  private static let count = 8
  /// Bytes of text that a room keeps. Longer replies are rare.
  private static let keptText = 64 << 10
  /// Bytes of rooms that a part keeps.
  private static let keptBytes = 16 << 20
  private let parts = InlineArray<8, Lock<[StepRoom]>> { _ in Lock([]) }
  /// Rooms that a part keeps.
  private let limit: Int

  /// - Parameter roomBytes: bytes of a room, about
  init(roomBytes: Int) {
    limit = max(1, min(16, Self.keptBytes / max(1, roomBytes)))
  }

  /// - Returns: nil where there is none
  func take() -> StepRoom? {
    let own = ThreadNumber.current % Self.count
    for offset in 0..<Self.count {
      if let room = parts[(own + offset) % Self.count].withLock({ $0.popLast() }) { return room }
    }
    return nil
  }

  func putBack(_ room: StepRoom) {
    room.text.removeAll(keepingAtMost: Self.keptText)
    parts[ThreadNumber.current % Self.count].withLock {
      if $0.count < limit { $0.append(room) }
    }
  }
}
