import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The signals that a command reacts to.
///
/// A handler notes them, and writes into a pipe to wake who waits. They are not blocked and waited
/// for, because libraries have threads that were there before `main` and do not block them: one of
/// those would take the signal, and the process would end.
struct Signals {
  enum Signal: String, CaseIterable, CustomStringConvertible {
    // The most urgent first.
    case terminate = "SIGTERM"
    case interrupt = "SIGINT"
    case hangUp = "SIGHUP"

    var description: String { rawValue }

    fileprivate var number: Int32 {
      switch self {
      case .terminate: SIGTERM
      case .interrupt: SIGINT
      case .hangUp: SIGHUP
      }
    }

    fileprivate var bit: UInt32 { 1 << UInt32(number) }
  }

  private let reader: Int32

  /// Catches signals from now on, and ignores SIGPIPE. Once in a process.
  static func caught(_ signals: [Signal]) -> Signals {
    var ends: [Int32] = [-1, -1]
    // Without descriptors left there is nothing else to be done either.
    guard pipe(&ends) == 0 else { fatalError("no pipe for signals") }
    // The handler must not wait; a full pipe wakes as well as one more byte.
    _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
    wakeupWriter = ends[1]
    // Globals are made at their first use, which must not be in the handler.
    pendingSignals.store(0, ordering: .relaxed)
    handle(signals) { number in
      let code = errno
      pendingSignals.bitwiseOr(1 << UInt32(number), ordering: .sequentiallyConsistent)
      var byte: UInt8 = 0
      _ = write(wakeupWriter, &byte, 1)
      errno = code
    }
    signal(SIGPIPE, SIG_IGN)
    // Whoever started this process may have blocked them.
    var all = sigset_t()
    sigemptyset(&all)
    for signal in signals { sigaddset(&all, signal.number) }
    pthread_sigmask(SIG_UNBLOCK, &all, nil)
    return Signals(reader: ends[0])
  }

  /// Lets signals end the process from now on, with the status by which shells say so (130, 143). Not
  /// by the system's own action, which it does not take where the process is the first of a container.
  static func endProcess(at signals: [Signal]) {
    handle(signals) { _exit(128 + $0) }
  }

  private static func handle(_ signals: [Signal], by handler: @convention(c) (Int32) -> Void) {
    var action = sigaction()
    #if canImport(Darwin)
      action.__sigaction_u.__sa_handler = handler
    #else
      action.__sigaction_handler.sa_handler = handler
    #endif
    // Reads and writes that are under way go on.
    action.sa_flags = Int32(SA_RESTART)
    for signal in signals { sigaction(signal.number, &action, nil) }
  }

  /// Waits for one. Of several the most urgent is first; one that comes again before it is taken is
  /// one.
  func wait() -> Signal {
    while true {
      let pending = pendingSignals.load(ordering: .sequentiallyConsistent)
      if let signal = Signal.allCases.first(where: { pending & $0.bit != 0 }) {
        pendingSignals.bitwiseAnd(~signal.bit, ordering: .sequentiallyConsistent)
        return signal
      }
      // A signal is noted before its byte is written, so none is slept over.
      var bytes: (UInt64, UInt64) = (0, 0)
      _ = read(reader, &bytes, MemoryLayout.size(ofValue: bytes))
    }
  }

  /// Waits for one that asks to stop, so many seconds at most.
  func waitForStop(atMost seconds: Double) {
    var rest = seconds
    while rest > 0, !isStopPending {
      // Short slices, in place of a deadline for `poll`: this happens once in a process' life.
      usleep(UInt32(min(rest, 0.05) * 1e6))
      rest -= 0.05
    }
  }

  /// Whether one has come that asks to stop, without waiting.
  var isStopPending: Bool {
    pendingSignals.load(ordering: .sequentiallyConsistent)
      & (Signal.interrupt.bit | Signal.terminate.bit) != 0
  }
}

/// A bit for each signal that has come and was not taken.
private let pendingSignals = Atomic<UInt32>(0)

/// Where the handler writes. Set once, before the handler is there.
nonisolated(unsafe) private var wakeupWriter: Int32 = -1
