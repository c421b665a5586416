/// Decides the effect of a signal to stop.
///
/// One stop often arrives as two signals: coreutils' `timeout` signals its child and then the child's
/// group, and wrappers repeat the Ctrl-C that the terminal has sent already. A signal within
/// `repeatMilliseconds` of an accepted one is therefore the same request. A later one is a new request
/// and ends the process at once.
///
/// | phase    | first signal     | repeat within half a second | later signal |
/// |----------|------------------|-----------------------------|--------------|
/// | starting | end              |                             |              |
/// | serving  | stop             | ignore                      | end          |
/// | delaying | stop             | ignore                      | skip the delay; the next one ends |
/// | stopping | stop             | ignore                      | end          |
/// | noting   | stop             | stop                        | stop         |
///
/// A signal handler uses it: it is a few integers and allocates nothing.
struct StopRequests: Equatable {
  enum Phase: UInt64 {
    /// The server has acknowledged nothing yet, so nothing can be lost.
    case starting
    case serving
    /// The server waits for load balancers before it stops.
    case delaying
    /// The server finishes the running requests and saves.
    case stopping
    /// The command polls for signals, and none of them ends it.
    case noting
  }

  enum Decision {
    /// End the process, whatever it is doing.
    case end
    /// Begin an orderly stop.
    case stop
    case skipDelay
    case ignore
  }

  static let repeatMilliseconds: UInt64 = 500

  var phase: Phase
  /// The monotonic time of the last accepted signal in milliseconds; 0 if there was none.
  private var accepted: UInt64 = 0

  init(_ phase: Phase) { self.phase = phase }

  /// - Parameter milliseconds: monotonic
  mutating func receive(at milliseconds: UInt64) -> Decision {
    switch phase {
    case .starting: return .end
    case .noting: return .stop
    case .serving, .delaying, .stopping: break
    }
    guard accepted > 0 else {
      accepted = max(1, milliseconds)
      return .stop
    }
    // Two handlers may run at once, and the one with the earlier time may come second.
    guard milliseconds >= accepted + Self.repeatMilliseconds else { return .ignore }
    guard phase == .delaying else { return .end }
    phase = .stopping
    accepted = milliseconds
    return .skipDelay
  }

  // MARK: In one atomic word

  private static let phaseBits: UInt64 = 3

  var word: UInt64 { accepted << Self.phaseBits | phase.rawValue }

  init(word: UInt64) {
    phase = Phase(rawValue: word & (1 << Self.phaseBits - 1)) ?? .serving
    accepted = word >> Self.phaseBits
  }
}
