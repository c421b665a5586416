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
/// A handler notes them and writes into a pipe to wake the waiting thread. It also ends the process
/// where `StopRequests` says so, because the main thread may be blocked by a disk or a log. The signals
/// are not blocked and waited for: libraries have threads from before `main` that do not block them, and
/// such a thread would receive the signal and end the process.
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

  /// Catches signals from now on and ignores SIGPIPE. Must be called once in a process.
  static func caught(_ signals: [Signal], _ phase: StopRequests.Phase) -> Signals {
    var ends: [Int32] = [-1, -1]
    // Without descriptors left there is nothing else to be done either.
    guard pipe(&ends) == 0 else { fatalError("no pipe for signals") }
    // The handler must not wait; a full pipe wakes as well as one more byte.
    _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
    wakeupWriter = ends[1]
    // Globals are made at their first use, which must not be in the handler.
    pendingSignals.store(0, ordering: .relaxed)
    stopRequests.store(StopRequests(phase).word, ordering: .sequentiallyConsistent)
    handle(signals) { number in
      let code = errno
      if number == SIGTERM || number == SIGINT {
        switch stopDecision() {
        case .stop, .skipDelay: break
        case .ignore:
          errno = code
          return
        // With the status that shells report (130, 143). The system's default action would not end
        // the first process of a container.
        case .end: _exit(128 + number)
        }
      }
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

  /// Changes the effect of the next signal to stop.
  func enter(_ phase: StopRequests.Phase) {
    updateStopRequests { $0.phase = phase }
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

  /// Waits for a signal to stop, at most `seconds`.
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

/// The `StopRequests` that the handler uses.
private let stopRequests = Atomic<UInt64>(0)

/// Where the handler writes. Set once, before the handler is there.
nonisolated(unsafe) private var wakeupWriter: Int32 = -1

/// Called by the signal handler: it must neither lock nor allocate.
private func stopDecision() -> StopRequests.Decision {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  let milliseconds = UInt64(now.tv_sec) * 1000 + UInt64(now.tv_nsec) / 1_000_000
  var decision = StopRequests.Decision.ignore
  updateStopRequests { decision = $0.receive(at: milliseconds) }
  return decision
}

private func updateStopRequests(_ change: (inout StopRequests) -> Void) {
  var old = stopRequests.load(ordering: .sequentiallyConsistent)
  while true {
    var requests = StopRequests(word: old)
    change(&requests)
    let (isDone, now) = stopRequests.compareExchange(
      expected: old, desired: requests.word, ordering: .sequentiallyConsistent)
    if isDone { return }
    old = now
  }
}
