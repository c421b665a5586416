#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The signals that ask a command to stop: SIGINT and SIGTERM.
///
/// A handler writes them into a pipe. They are not blocked and waited for, because libraries have
/// threads that were there before `main` and do not block them: one of those would take the signal,
/// and the process would end.
struct StopSignals {
  private let reader: Int32

  /// Catches them from now on, and ignores SIGPIPE.
  static func caught() -> StopSignals {
    var ends: [Int32] = [-1, -1]
    // Without descriptors left there is nothing else to be done either.
    guard pipe(&ends) == 0 else { fatalError("no pipe for signals") }
    stopSignalWriter = ends[1]
    var action = sigaction()
    let handler: @convention(c) (Int32) -> Void = { number in
      let code = errno
      var byte = UInt8(truncatingIfNeeded: number)
      _ = write(stopSignalWriter, &byte, 1)
      errno = code
    }
    #if canImport(Darwin)
      action.__sigaction_u.__sa_handler = handler
    #else
      action.__sigaction_handler.sa_handler = handler
    #endif
    // Reads and writes that are under way go on.
    action.sa_flags = Int32(SA_RESTART)
    sigaction(SIGINT, &action, nil)
    sigaction(SIGTERM, &action, nil)
    signal(SIGPIPE, SIG_IGN)
    // Whoever started this process may have blocked them.
    var both = sigset_t()
    sigemptyset(&both)
    sigaddset(&both, SIGINT)
    sigaddset(&both, SIGTERM)
    pthread_sigmask(SIG_UNBLOCK, &both, nil)
    return StopSignals(reader: ends[0])
  }

  /// Waits for one and gives its name.
  func wait() -> String {
    var byte: UInt8 = 0
    while read(reader, &byte, 1) != 1 {}
    return Int32(byte) == SIGINT ? "SIGINT" : "SIGTERM"
  }

  /// Whether one has come, without waiting.
  var isPending: Bool {
    var waiting = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
    return poll(&waiting, 1, 0) > 0
  }
}

/// Where the handler writes. Set once, before the handler is there.
nonisolated(unsafe) private var stopSignalWriter: Int32 = -1
