internal import NTMModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Nanoseconds of a clock that never jumps.
func monotonicNanoseconds() -> UInt64 {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

/// Milliseconds since 1970. Every use of a session asks, which is why Foundation is not.
func wallClockMilliseconds() -> Int64 {
  var now = timespec()
  clock_gettime(CLOCK_REALTIME, &now)
  return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
}

/// The text of an `errno`.
func systemMessage(_ code: Int32) -> String {
  String(cString: strerror(code))
}

/// A note for a write that failed, if the size of this process's files is limited. SQLite does not
/// say that a write went beyond the limit.
var fileSizeLimitNote: String {
  var limit = rlimit()
  #if canImport(Glibc)
    let kind = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
  #else
    let kind = RLIMIT_FSIZE
  #endif
  guard getrlimit(kind, &limit) == 0, limit.rlim_cur < rlim_t(Int64.max) else { return "" }
  return " (the files of this process can have \(limit.rlim_cur) bytes at most: ulimit -f)"
}

/// Where files go that nobody misses.
var systemTemporaryDirectory: String {
  guard let path = getenv("TMPDIR"), path.pointee != 0 else { return "/tmp" }
  return String(cString: path)
}

/// Lets the system prefer other threads to the calling one, where it can do that by thread. A step
/// that is to be answered at once then need not wait for long work to use up its share of time.
func yieldToOtherThreads() {
  #if os(Linux)
    // On Linux the priority is a thread's own, against POSIX, and 0 is the calling one.
    #if canImport(Glibc)
      let kind = __priority_which_t(PRIO_PROCESS.rawValue)
    #else
      let kind = PRIO_PROCESS
    #endif
    _ = setpriority(kind, 0, 5)
  #endif
}

/// Gives the calling thread the lowest real-time priority: it runs before all threads that have none.
///
/// - Throws: `cannotStart` if the process may not do that.
func useRealTimePriority() throws(HTTPServerError) {
  var parameters = sched_param()
  parameters.sched_priority = 1
  let code = pthread_setschedparam(pthread_self(), SCHED_RR, &parameters)
  guard code == 0 else {
    throw .cannotStart(
      reason: """
        no real-time priority for event loops (--realtime): \(String(cString: strerror(code))); it \
        needs the capability CAP_SYS_NICE or a limit above 0 (ulimit -r)
        """)
  }
}

/// A thread of our own: event loops and workers block, which threads of Swift's pool must not.
struct SystemThread: Sendable {
  private let thread: NativeThread

  /// - Throws: `cannotStart` if the system has no thread.
  init(_ run: @escaping @Sendable () -> Void) throws(HTTPServerError) {
    do throws(NativeThread.Failure) {
      thread = try NativeThread(run)
    } catch {
      throw .cannotStart(reason: "no thread: \(error.reason)")
    }
  }

  /// Checks that threads can be started. See `NativeThread.check`.
  static func check(count: Int) throws(HTTPServerError) {
    do throws(NativeThread.Failure) {
      try NativeThread.check(count: count)
    } catch {
      throw .cannotStart(reason: "no thread: \(error.reason)")
    }
  }

  /// Waits for the thread's end. Either this or `detach` is called, once.
  func join() { thread.join() }

  func detach() { thread.detach() }
}
