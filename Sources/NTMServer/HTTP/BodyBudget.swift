import Synchronization

/// Bytes of request bodies that a server holds at a time, over all its connections.
///
/// A body shorter than `freeBytes` is not counted: a connection's own buffers have that size.
final class BodyBudget: Sendable {
  /// A body of this many bytes needs no reservation.
  static let freeBytes = 8 << 10

  /// A limit in bytes, and the bytes in use.
  struct Part: ~Copyable, Sendable {
    let limit: Int
    private let bytes = Atomic<Int>(0)

    init(limit: Int) { self.limit = limit }

    var used: Int { bytes.load(ordering: .relaxed) }

    /// Reserves bytes. The caller releases them.
    ///
    /// - Returns: false if the limit would be exceeded; nothing is reserved then
    func reserve(_ count: Int) -> Bool {
      let (_, used) = bytes.add(count, ordering: .relaxed)
      if used <= limit { return true }
      release(count)
      return false
    }

    func release(_ count: Int) {
      bytes.subtract(count, ordering: .relaxed)
    }
  }

  /// Bodies in memory, and the trees that parsing makes of them.
  let memory: Part
  /// Spooled bodies.
  let disk: Part

  /// Reserves memory for work on a body. The caller releases it.
  ///
  /// - Parameter reserved: bytes that the same request has reserved already
  /// - Throws: `HTTPRefusal` if the bodies use too much memory at present, or the request alone needs
  ///   more than they may use.
  func reserveMemory(_ bytes: Int, beside reserved: Int = 0) throws(HTTPRefusal) {
    guard reserved + bytes <= memory.limit else {
      throw .bodyTooComplex(bytes: bytes, limit: memory.limit)
    }
    guard memory.reserve(bytes) else { throw .bodiesTooLarge(limit: memory.limit) }
  }

  init(memory: Int, disk: Int) {
    self.memory = Part(limit: memory)
    self.disk = Part(limit: disk)
  }
}
