/// Whose turn it is to use a session: one at a time, in the order in which they came, without a
/// thread that waits.
///
/// A stream of steps is under way for long, and waits for its client in between. Other steps come
/// after it; whoever looks at the session, or ends it, gets in between two of its steps.
struct Turns {
  enum Purpose {
    /// To change the state.
    case change
    /// To read the state, or to end the session.
    case look
    /// To go on with the stream that is under way.
    case stream
  }

  struct Waiter {
    let purpose: Purpose
    let start: @Sendable (Turn) -> Void
  }

  enum Place {
    /// It is the turn of whoever asked.
    case first
    case waiting
    /// Too many wait already.
    case none
  }

  /// How many may wait for one session.
  static let limit = 256

  /// Somebody uses the session.
  private var isTaken = false
  var isStreaming = false
  private var waiting: [Waiter] = []

  private func isDue(_ purpose: Purpose) -> Bool { !(isStreaming && purpose == .change) }

  /// Takes the turn if it is free.
  mutating func take(_ purpose: Purpose) -> Bool {
    guard !isTaken, isDue(purpose) else { return false }
    isTaken = true
    return true
  }

  /// Takes the turn if it is free, or waits for it.
  mutating func take(_ purpose: Purpose, orLater start: @escaping @Sendable (Turn) -> Void)
    -> Place
  {
    if take(purpose) { return .first }
    // The stream has been let in already.
    guard waiting.count < Self.limit || purpose == .stream else { return .none }
    waiting.append(Waiter(purpose: purpose, start: start))
    return .waiting
  }

  /// Gives the turn back, or the end of a stream a chance to those who waited for it.
  ///
  /// - Parameter isHeld: whether the caller has the turn
  /// - Returns: who has it now, if anybody
  mutating func pass(isHeld: Bool = true) -> Waiter? {
    guard isHeld || !isTaken else { return nil }
    let next = waiting.firstIndex { isDue($0.purpose) }
    isTaken = next != nil
    return next.map { waiting.remove(at: $0) }
  }
}

/// The right to use a session alone. It is given to the next when this goes away.
final class Turn: Sendable {
  private let session: Session
  private let purpose: Turns.Purpose
  /// Whether others were before it.
  let hasWaited: Bool

  init(_ session: Session, _ purpose: Turns.Purpose, hasWaited: Bool) {
    self.session = session
    self.purpose = purpose
    self.hasWaited = hasWaited
  }

  deinit { session.passTurn() }

  /// Runs `body`. This counts as activity.
  ///
  /// - Throws: `Problem` 404 where the session has ended meanwhile, or what `body` throws.
  func use<Result>(
    _ body: (inout Session.Content) throws(Problem) -> Result
  ) throws(Problem) -> Result {
    try session.withContent(purpose, body)
  }
}

/// Keeps other steps from a session for as long as it is there.
final class StreamClaim: Sendable {
  private let session: Session

  /// To be made by whoever has the turn.
  init(_ session: Session) {
    self.session = session
    session.setStreaming(true)
  }

  deinit { session.setStreaming(false) }
}
