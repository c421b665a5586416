#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Numbers at an address that is a multiple of a cache line, owned by one value.
///
/// Sendable: it is the only owner of its memory, and Swift lets one thread at a time mutate it.
package struct AlignedBuffer<Element: BinaryFloatingPoint & BitwiseCopyable>: ~Copyable,
  @unchecked Sendable
{
  package let base: UnsafeMutablePointer<Element>
  package let count: Int
  /// Where what the system gave begins.
  private let memory: UnsafeMutableRawPointer

  private static var alignment: Int { 64 }

  /// Zeros.
  ///
  /// - Throws: `AllocationError` when the system has no room for it.
  package init(zeros count: Int) throws(AllocationError) {
    let bytes = max(count, 1) * MemoryLayout<Element>.stride
    // Systems promise more than they have, and end the process that takes them at their word.
    guard bytes <= SystemLimits.memory, MemoryReservation.isPossible(bytes) else {
      throw AllocationError(bytes: bytes)
    }
    // Not posix_memalign: glibc 2.36 hardly uses again what was freed of that, so that states which
    // come and go took twice the memory that they had.
    guard let memory = malloc(bytes + Self.alignment) else { throw AllocationError(bytes: bytes) }
    self.memory = memory
    let start = memory.alignedUp(toMultipleOf: Self.alignment)
    memset(start, 0, bytes)
    base = start.bindMemory(to: Element.self, capacity: count)
    self.count = count
  }

  deinit { free(memory) }

  package func copy() throws(AllocationError) -> AlignedBuffer<Element> {
    let copy = try AlignedBuffer<Element>(zeros: count)
    copy.base.update(from: base, count: count)
    return copy
  }

  /// Whether both hold the same bits.
  package func isIdentical(to other: borrowing AlignedBuffer<Element>) -> Bool {
    count == other.count && memcmp(base, other.base, count * MemoryLayout<Element>.stride) == 0
  }
}

/// The system had no memory for a model, a state or a workspace.
public struct AllocationError: Error, Equatable, CustomStringConvertible {
  public let bytes: Int
  public var description: String { "no memory for \(bytes) bytes" }
}
