#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The signals that ask a command to stop. They are blocked and waited or looked for, so that they
/// interrupt nothing.
struct StopSignals {
  private var set = sigset_t()

  /// Blocks them for this thread and those that it starts from now on, and ignores SIGPIPE.
  static func block() -> StopSignals {
    var signals = StopSignals()
    sigemptyset(&signals.set)
    sigaddset(&signals.set, SIGTERM)
    sigaddset(&signals.set, SIGINT)
    pthread_sigmask(SIG_BLOCK, &signals.set, nil)
    signal(SIGPIPE, SIG_IGN)
    return signals
  }

  /// Waits for one and gives its name.
  func wait() -> String {
    var set = set
    var received: Int32 = 0
    sigwait(&set, &received)
    return received == SIGINT ? "SIGINT" : "SIGTERM"
  }

  /// Whether one has come, without waiting.
  var isPending: Bool {
    var pending = sigset_t()
    sigpending(&pending)
    return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1
  }
}
