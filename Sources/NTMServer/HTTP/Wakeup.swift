import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A descriptor that other threads make readable to end an event loop's wait: an eventfd, and a
/// pipe where there is none.
final class Wakeup: Sendable {
  /// For `poll`.
  let descriptor: Int32
  private let writer: Int32
  #if os(Linux)
    /// Whether the descriptor is readable, or about to be.
    private let isSignalled = Atomic(false)
  #endif

  /// - Throws: `cannotStart` when the process is out of descriptors.
  init() throws(HTTPServerError) {
    #if os(Linux)
      descriptor = MicroHTTPD.makeEventDescriptor()
      writer = descriptor
      let failed = descriptor < 0
    #else
      var ends: [Int32] = [-1, -1]
      let failed = pipe(&ends) != 0
      descriptor = ends[0]
      writer = ends[1]
      for end in ends where !failed {
        _ = fcntl(end, F_SETFL, O_NONBLOCK)
        _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      }
    #endif
    if failed { throw .cannotStart(reason: "no wake-up descriptor: \(systemMessage(errno))") }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if writer >= 0 && writer != descriptor { close(writer) }
  }

  /// From any thread. Signals before the loop's next round are one signal, so that thousands of them
  /// cost one system call. A full counter or pipe is as good as one more signal.
  func signal() {
    #if os(Linux)
      guard !isSignalled.exchange(true, ordering: .acquiringAndReleasing) else { return }
    #endif
    var one: UInt64 = 1
    _ = write(writer, &one, MemoryLayout<UInt64>.size)
  }

  #if os(Linux)
    /// Takes all signals so far. Writes before a signal are visible afterwards.
    func clear() {
      var count: UInt64 = 0
      _ = read(descriptor, &count, MemoryLayout<UInt64>.size)
      // After the read: a signal between the two would be lost otherwise.
      _ = isSignalled.exchange(false, ordering: .acquiringAndReleasing)
    }
  #endif
}
