import NTMModel

/// Steps of several sessions of one model that are taken together, so that its weights are read once
/// for all of them. The bits are those of steps one by one.
///
/// Each member is in the middle of its own request when it comes to its step: it lets the next one
/// begin, which comes to its step in turn. The last one takes the step of all, and they go on one by
/// one, in reverse order. So a member does all else as if it were alone.
final class StepGroup {
  let served: ServedModel
  /// Called by each member, for the next one to come to its step, if there is one.
  private let beginNext: (StepGroup) -> Void
  private let members: UnsafeMutableBufferPointer<StepMember>
  private(set) var count = 0
  /// The step has been taken, by those who came.
  private(set) var isTaken = false

  /// States of members at a time. Each needs room for the next one, too.
  private static let largestBytes = 16 << 20
  /// Weights are read once for so many; more gain little.
  private static let mostMembers = 16

  init(_ served: ServedModel, beginNext: @escaping (StepGroup) -> Void) {
    self.served = served
    self.beginNext = beginNext
    members = .allocate(capacity: Self.limit(served))
  }

  deinit { members.deallocate() }

  /// Members that a model's group has at most.
  static func limit(_ served: ServedModel) -> Int {
    max(1, min(mostMembers, largestBytes / max(1, served.stateBytes)))
  }

  var isFull: Bool { count == members.count }

  /// Takes a member's step with those of the members that come after it.
  ///
  /// - Throws: as `Model.step`, for this member.
  func step(
    _ input: [Float], state: inout State, workspace: inout Workspace
  ) throws(StepError) {
    precondition(!isTaken && !isFull, "a group's step is taken once")
    let error = input.withUnsafeBufferPointer { input in
      withUnsafeMutablePointer(to: &state) { state in
        withUnsafeMutablePointer(to: &workspace) { workspace in
          let own = count
          (members.baseAddress! + own).initialize(
            to: StepMember(input, state: state, workspace: workspace))
          count += 1
          if !isFull { beginNext(self) }
          if !isTaken { takeStep() }
          return members[own].error
        }
      }
    }
    if let error { throw error }
  }

  private func takeStep() {
    isTaken = true
    let start = monotonicNanoseconds()
    served.model.step(UnsafeMutableBufferPointer(rebasing: members[..<count]))
    let share = (monotonicNanoseconds() - start) / UInt64(count)
    for index in 0..<count where members[index].error == nil {
      served.metrics.computed(nanoseconds: share)
    }
  }
}
