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

  /// From any thread. A full counter or pipe is as good as one more signal.
  func signal() {
    var one: UInt64 = 1
    _ = write(writer, &one, MemoryLayout<UInt64>.size)
  }

  #if os(Linux)
    /// Takes all signals so far.
    func clear() {
      var count: UInt64 = 0
      _ = read(descriptor, &count, MemoryLayout<UInt64>.size)
    }
  #endif
}
