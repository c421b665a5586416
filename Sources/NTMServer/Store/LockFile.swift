#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A lock between processes: a file that one of them has locked. The system takes the lock from a
/// process that ends, however it ends, so that none is left behind.
struct LockFile: ~Copyable {
  private let descriptor: Int32

  /// - Throws: `StoreError` `.inUse`, which names the process that has the lock, or `.failing`.
  init(_ path: String) throws(StoreError) {
    let descriptor = try Self.descriptor(of: path)
    do throws(StoreError) { try Self.lock(descriptor, path) } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    // For people who ask who has it; the lock holds without.
    let text = Array("\(getpid())\n".utf8)
    if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
  }

  private static func lock(_ descriptor: Int32, _ path: String) throws(StoreError) {
    guard flock(descriptor, LOCK_EX | LOCK_NB) != 0 else { return }
    guard errno == EWOULDBLOCK else {
      throw StoreError(
        .failing, "it can't be locked: \(systemMessage(errno))", path: path)
    }
    let holder = text(of: descriptor)
    throw StoreError(.inUse, holder.isEmpty ? "another process" : "process \(holder)")
  }

  deinit { close(descriptor) }

  /// Makes a file that its owner alone can read, where there is none.
  static func makeFile(_ path: String) throws(StoreError) { close(try descriptor(of: path)) }

  /// What a file is called without symbolic links, so that it has one lock whatever it is called.
  static func realPath(_ path: String) throws(StoreError) -> String {
    guard let resolved = realpath(path, nil) else {
      throw StoreError(.failing, "it can't be found: \(systemMessage(errno))", path: path)
    }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  private static func descriptor(of path: String) throws(StoreError) -> Int32 {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw StoreError(.failing, "it can't be opened: \(systemMessage(errno))", path: path)
    }
    return descriptor
  }

  private static func text(of descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 20)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    return String(decoding: bytes.prefix(max(0, count)).prefix { $0 != 10 }, as: UTF8.self)
  }
}
