#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The lines of standard input as bytes. `readLine` replaces bytes that are not UTF-8, and takes an
/// error for the end.
struct InputLines: ~Copyable {
  private var bytes: [UInt8] = []
  /// Bytes of lines that were returned.
  private var used = 0
  /// Bytes without a line feed.
  private var searched = 0
  private var isAtEnd = false
  private static let blockSize = 1 << 16

  /// Waits for a line and returns it without its end, as soon as it has arrived.
  ///
  /// - Returns: nil at the end of the input
  /// - Throws: `Failure` if the input can't be read.
  mutating func next() throws -> [UInt8]? {
    while true {
      if let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { (used, searched) = (end + 1, end + 1) }
        return Array(bytes[used..<end])
      }
      searched = bytes.count
      if isAtEnd {
        defer { used = bytes.count }
        return used < bytes.count ? Array(bytes[used...]) : nil
      }
      try fill()
    }
  }

  private mutating func fill() throws {
    bytes.removeFirst(used)
    (used, searched) = (0, searched - used)
    let block = try [UInt8](unsafeUninitializedCapacity: Self.blockSize) { buffer, count in
      var result = read(STDIN_FILENO, buffer.baseAddress, buffer.count)
      while result < 0, errno == EINTR || errno == EAGAIN {
        var ready = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        if errno == EAGAIN { _ = poll(&ready, 1, -1) }
        result = read(STDIN_FILENO, buffer.baseAddress, buffer.count)
      }
      guard result >= 0 else {
        throw Failure("standard input can't be read: \(String(cString: strerror(errno)))")
      }
      count = result
    }
    isAtEnd = block.isEmpty
    bytes += block
  }
}
