#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// A thread of the system.
///
/// `@unchecked Sendable`: a thread's id may be used from any thread.
package struct NativeThread: @unchecked Sendable {
  /// The system has no thread: a limit on processes, a system call filter or the memory forbids it.
  package struct Failure: Error, CustomStringConvertible {
    /// The system's own words.
    package let reason: String
    package var description: String { "no thread can be started: \(reason)" }
  }

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

  package init(_ run: @escaping @Sendable () -> Void) throws(Failure) {
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
      throw Failure(reason: String(cString: strerror(code)))
    }
    #if canImport(Darwin)
      self.id = id!
    #else
      self.id = id
    #endif
  }

  /// Waits for the thread's end. Either this or `detach` is called, once.
  package func join() {
    pthread_join(id, nil)
  }

  package func detach() {
    pthread_detach(id)
  }
}

extension NativeThread {
  /// Checks that threads can be started, by starting them. They live at the same time and end before
  /// this returns.
  ///
  /// libdispatch, which some libraries use, tries to start a thread for ever. So the check comes
  /// before the first call of such a library.
  package static func check(count: Int) throws(Failure) {
    // Each thread waits for the end of a pipe.
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw Failure(reason: String(cString: strerror(errno))) }
    let reader = ends[0]
    var threads: [NativeThread] = []
    defer {
      close(ends[1])
      for thread in threads { thread.join() }
      close(reader)
    }
    for _ in 0..<count {
      threads.append(
        try NativeThread {
          var byte: UInt8 = 0
          while read(reader, &byte, 1) < 0, errno == EINTR {}
        })
    }
  }
}
