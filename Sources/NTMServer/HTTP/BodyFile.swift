#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The part of a request's body that is on disk, in a file without a name. The file disappears with
/// its last user, even if the process is killed.
///
/// Workers append, one at a time, while the body arrives. From then on the file is only read, at a
/// position of each reader's own, from any thread.
final class BodyFile: Sendable {
  struct Failure: Error {
    let reason: String
    /// Whether there is no space, which may pass. All other failures need an operator.
    let isFull: Bool

    fileprivate init(_ reason: String, errno code: Int32) {
      self.reason = "\(reason): \(systemMessage(code))"
      isFull = [ENOSPC, EDQUOT, EFBIG].contains(code)
    }

    fileprivate init(full reason: String) {
      self.reason = reason
      isFull = true
    }
  }

  /// Bytes of the file system that bodies leave free for other uses, such as the store: this many,
  /// or an eighth of a file system that is small.
  private static let bytesLeftFree: UInt64 = 256 << 20
  /// Bytes that are appended between two checks of the free space.
  private static let checkInterval = 1 << 20

  private let descriptor: Int32
  private let directory: String
  private let budget: BodyBudget
  /// Bytes reserved, and bytes that may be appended before the next check of the free space.
  private let state = Lock((reserved: 0, unchecked: 0))

  init(in directory: String, budget: BodyBudget) throws(Failure) {
    descriptor = try Self.open(in: directory)
    self.directory = directory
    self.budget = budget
  }

  deinit {
    close(descriptor)
    budget.disk.release(state.withLock { $0.reserved })
  }

  /// - Throws: `Failure` if no file can be created in the directory.
  static func check(_ directory: String) throws(Failure) { close(try open(in: directory)) }

  private static func open(in directory: String) throws(Failure) -> Int32 {
    var template = Array("\(directory)/ntm-body-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else {
      throw Failure("no file can be created in \(directory)", errno: errno)
    }
    unlink(template)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    return descriptor
  }

  func append(_ part: UnsafeRawBufferPointer) throws(Failure) {
    try reserve(part.count)
    var rest = part[...]
    while !rest.isEmpty {
      let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if count == 0 || errno != EINTR {
        throw Failure("a file in \(directory) can't be written", errno: count == 0 ? ENOSPC : errno)
      }
    }
  }

  private func reserve(_ count: Int) throws(Failure) {
    guard budget.disk.reserve(count) else {
      throw Failure(
        full: "request bodies use \(budget.disk.limit) bytes of disk, which is the limit")
    }
    let mustCheck = state.withLock { state in
      state.reserved += count
      state.unchecked -= count
      guard state.unchecked < 0 else { return false }
      state.unchecked = Self.checkInterval
      return true
    }
    if mustCheck { try checkFreeSpace() }
  }

  private func checkFreeSpace() throws(Failure) {
    var system = statvfs()
    guard fstatvfs(descriptor, &system) == 0 else { return }
    let block = UInt64(system.f_frsize)
    let free = UInt64(system.f_bavail) * block
    let kept = min(Self.bytesLeftFree, UInt64(system.f_blocks) * block / 8)
    guard free > kept + UInt64(Self.checkInterval) else {
      throw Failure(
        full: "\(directory) has \(free) bytes free, of which \(kept) are left for other uses")
    }
  }

  /// The bytes from `offset` on, at most so many; none at the end of the file.
  func read(from offset: Int, atMost size: Int) throws(Failure) -> [UInt8] {
    while true {
      var count = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
        count = pread(descriptor, buffer.baseAddress, size, off_t(offset))
        initialized = max(0, count)
      }
      if count >= 0 { return bytes }
      guard errno == EINTR else {
        throw Failure("a file in \(directory) can't be read", errno: errno)
      }
    }
  }
}
