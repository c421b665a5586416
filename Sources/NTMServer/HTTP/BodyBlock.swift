#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Memory for a part of a body, mapped on its own. It goes back to the system with the block: memory
/// of the allocator's would stay in the arenas of the threads that had it.
///
/// `@unchecked Sendable`: a block belongs to the thread that its request belongs to.
final class BodyBlock: @unchecked Sendable {
  private let memory: UnsafeMutableRawBufferPointer
  private(set) var count = 0

  /// - Returns: nil if the system has no memory
  init?(size: Int) {
    var flags = MAP_PRIVATE | Int32(MAP_ANONYMOUS)
    #if os(Linux)
      // One call fills all pages. A page fault for each of them took a third of an event loop's time.
      flags |= Int32(MAP_POPULATE)
    #endif
    guard
      let address = mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0),
      address != MAP_FAILED
    else { return nil }
    memory = UnsafeMutableRawBufferPointer(start: address, count: size)
  }

  deinit { munmap(memory.baseAddress, memory.count) }

  var room: Int { memory.count - count }

  /// - Parameter part: at most `room` bytes
  func append(_ part: UnsafeRawBufferPointer) {
    UnsafeMutableRawBufferPointer(rebasing: memory[count...]).copyMemory(from: part)
    count += part.count
  }

  /// Calls `body` with the bytes, which are valid meanwhile.
  func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(UnsafeRawBufferPointer(rebasing: memory[..<count]))
  }
}
