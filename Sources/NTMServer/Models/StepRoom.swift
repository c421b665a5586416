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

/// The rooms of a model that nobody uses, in parts with a lock each: a thread takes from its own part
/// first, where it rarely meets another.
struct StepRooms: ~Copyable, Sendable {
  private static let count = 8
  private let parts = InlineArray<8, Lock<[StepRoom]>> { _ in Lock([]) }

  /// - Returns: nil where there is none
  func take() -> StepRoom? {
    let own = ThreadNumber.current % Self.count
    for offset in 0..<Self.count {
      if let room = parts[(own + offset) % Self.count].withLock({ $0.popLast() }) { return room }
    }
    return nil
  }

  func putBack(_ room: StepRoom) {
    parts[ThreadNumber.current % Self.count].withLock { $0.append(room) }
  }
}
