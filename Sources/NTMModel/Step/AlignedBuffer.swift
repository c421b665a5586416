#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Floats at an address that is a multiple of a cache line, owned by one value.
///
/// Sendable: it is the only owner of its memory, and Swift lets one thread at a time mutate it.
struct AlignedBuffer: ~Copyable, @unchecked Sendable {
  let base: UnsafeMutablePointer<Float>
  let count: Int

  private static let alignment = 64

  /// Zeros.
  ///
  /// - Throws: `AllocationError` when the system has no room for it.
  init(zeros count: Int) throws(AllocationError) {
    var memory: UnsafeMutableRawPointer?
    let bytes = max(count, 1) * MemoryLayout<Float>.stride
    guard posix_memalign(&memory, Self.alignment, bytes) == 0, let memory else {
      throw AllocationError(bytes: bytes)
    }
    memset(memory, 0, bytes)
    base = memory.assumingMemoryBound(to: Float.self)
    self.count = count
  }

  deinit { free(base) }

  func copy() throws(AllocationError) -> AlignedBuffer {
    let copy = try AlignedBuffer(zeros: count)
    copy.base.update(from: base, count: count)
    return copy
  }

  /// Whether both hold the same bits.
  func isIdentical(to other: borrowing AlignedBuffer) -> Bool {
    count == other.count && memcmp(base, other.base, count * MemoryLayout<Float>.stride) == 0
  }
}

/// The system had no memory for a model, a state or a workspace.
public struct AllocationError: Error, Equatable, CustomStringConvertible {
  public let bytes: Int
  public var description: String { "no memory for \(bytes) bytes" }
}
