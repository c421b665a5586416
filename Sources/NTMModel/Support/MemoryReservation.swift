import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Memory that is set aside for arrays and texts, as long as this value lives.
///
/// Swift ends the process if it cannot allocate an array or an object. Where the system refuses
/// allocations (see `SystemLimits.refusesAllocations`), large ones are therefore reserved first, and a
/// part of the memory is kept for the many small ones. Elsewhere a reservation costs nothing.
package struct MemoryReservation: ~Copyable, Sendable {
  private let bytes: Int

  /// Bytes of all reservations.
  private static let reserved = Atomic(0)
  /// Bytes that are kept for small allocations.
  private static let kept = min(64 << 20, SystemLimits.memory / 8)

  /// - Throws: `AllocationError` if the system does not have the bytes, beside those that are reserved
  ///   already and those that are kept.
  package init(_ bytes: Int) throws(AllocationError) {
    guard SystemLimits.refusesAllocations, bytes > 0 else {
      self.bytes = 0
      return
    }
    let all = Self.reserved.wrappingAdd(bytes, ordering: .relaxed).newValue
    guard Self.canMap(all) else {
      Self.reserved.wrappingSubtract(bytes, ordering: .relaxed)
      throw AllocationError(bytes: bytes)
    }
    self.bytes = bytes
  }

  deinit {
    if bytes > 0 { Self.reserved.wrappingSubtract(bytes, ordering: .relaxed) }
  }

  /// Whether the system has the bytes, beside those that are reserved and those that are kept.
  package static func isPossible(_ bytes: Int) -> Bool {
    guard SystemLimits.refusesAllocations else { return true }
    let (all, overflow) = reserved.load(ordering: .relaxed).addingReportingOverflow(bytes)
    return !overflow && canMap(all)
  }

  /// Maps the bytes and unmaps them, which takes about a microsecond: no page is touched.
  private static func canMap(_ bytes: Int) -> Bool {
    let (all, overflow) = bytes.addingReportingOverflow(kept)
    guard !overflow else { return false }
    let address = mmap(
      nil, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0)
    guard let address, address != UnsafeMutableRawPointer(bitPattern: -1) else { return false }
    munmap(address, all)
    return true
  }
}
