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

/// A thread of our own: event loops and workers block, which threads of Swift's pool must not.
struct SystemThread: @unchecked Sendable {
  // @unchecked: a thread's id may be used from any thread.
  private let id: pthread_t

  /// Musl gives a thread 128 kB and Darwin 512 kB, glibc 8 MB: the same for all.
  private static let stackBytes = 8 << 20

  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  #if canImport(Darwin)
    private typealias Argument = UnsafeMutableRawPointer
  #else
    private typealias Argument = UnsafeMutableRawPointer?
  #endif

  private static let entry: @convention(c) (Argument) -> UnsafeMutableRawPointer? = {
    let argument: UnsafeMutableRawPointer? = $0
    // Balances the retain in `init`.
    Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
    return nil
  }

  /// - Throws: `cannotStart` when the system has no thread to give.
  init(_ run: @escaping @Sendable () -> Void) throws(HTTPServerError) {
    let body = Unmanaged.passRetained(Body(run))
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, Self.stackBytes)
    #if canImport(Darwin)
      var id: pthread_t?
    #else
      var id = pthread_t()
    #endif
    let code = pthread_create(&id, &attributes, Self.entry, body.toOpaque())
    guard code == 0 else {
      body.release()
      throw .cannotStart(reason: "no thread: \(systemMessage(code))")
    }
    #if canImport(Darwin)
      self.id = id!
    #else
      self.id = id
    #endif
  }

  /// Waits for the thread's end. Either this or `detach` is called, once.
  func join() {
    pthread_join(id, nil)
  }

  func detach() {
    pthread_detach(id)
  }
}
