import NTMModel
import Synchronization

/// What has changed in a session and is not written to the store yet.
struct UnsavedChange: Sendable {
  /// The session itself is new.
  var isCreated = false
  /// A state that takes the place of all that came before.
  private(set) var base: Base?
  /// x of each step after the base, and the number of the first.
  private(set) var inputs: [[Float]] = []
  private(set) var firstStep = 0
  /// Of the last of these steps, where it may be repeated.
  var request: RequestMark?
  /// Replies to requests with keys that are to be written with it.
  var replies: [KeyedReply] = []
  /// The state is another one, where that is all that is noted of it.
  var isStale = false
  var isEnded = false

  /// A state at a step.
  struct Base: Sendable {
    let step: Int
    /// nil for the model's start state.
    let state: StateCopy?
    let reply: RepeatableReply?
  }

  init(isCreated: Bool = false, replies: [KeyedReply] = [], isEnded: Bool = false) {
    self.isCreated = isCreated
    self.replies = replies
    self.isEnded = isEnded
  }

  /// Whether it says more than when the session was last used.
  var isEmpty: Bool {
    !isCreated && base == nil && inputs.isEmpty && replies.isEmpty && !isStale && !isEnded
  }

  /// The step that the session is at with it; nil where it has no step.
  var step: Int? { inputs.isEmpty ? base?.step : firstStep + inputs.count - 1 }

  /// Adds steps that were taken after the others.
  ///
  /// - Parameter last: the number of the last
  mutating func add(_ inputs: some Collection<[Float]>, last: Int) {
    if self.inputs.isEmpty { firstStep = last - inputs.count + 1 }
    self.inputs += inputs
    request = nil
  }

  /// Puts a state in the place of all steps.
  mutating func rebase(_ base: Base) {
    self.base = base
    inputs = []
    request = nil
  }

  /// Adds what has changed after it.
  mutating func append(_ later: UnsavedChange) {
    if let base = later.base { rebase(base) }
    if let last = later.step, !later.inputs.isEmpty {
      add(later.inputs, last: last)
      request = later.request
    }
    isCreated = isCreated || later.isCreated
    replies += later.replies
    isEnded = isEnded || later.isEnded
  }
}

/// A copy of a state that waits to be saved.
final class StateCopy: Sendable {
  let state: State
  private let total: CopiedBytes

  /// - Parameter total: counts the copy as long as it exists
  init(_ state: consuming State, countedBy total: CopiedBytes) {
    self.total = total
    total.add(state.layout.byteCount)
    self.state = state
  }

  deinit { total.add(-state.layout.byteCount) }
}

/// The bytes of all copies of states that wait to be saved.
final class CopiedBytes: Sendable {
  /// With more, changes are acknowledged when they are saved, so that clients that create and fork
  /// sessions faster than the store saves them wait for it.
  private static let limit = 64 << 20

  private let bytes = Atomic<Int>(0)

  var isOverLimit: Bool { bytes.load(ordering: .relaxed) > Self.limit }

  fileprivate func add(_ count: Int) { bytes.add(count, ordering: .relaxed) }
}
