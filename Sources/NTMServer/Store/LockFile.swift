#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A lock between processes by a file beside the database, which versions before the lock on the
/// database itself use (see `DatabaseFile`). The system releases the lock when the process ends,
/// however it ends. The file names the process.
struct LockFile: ~Copyable {
  private let descriptor: Int32

  /// - Throws: `StoreError` `.inUse`, with the process that has the lock as the reason, or `.failing`.
  init(_ path: String) throws(StoreError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw StoreError(.failing, "it can't be opened: \(systemMessage(errno))", path: path)
    }
    do throws(StoreError) { try Self.lock(descriptor, path) } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    // For messages and people; the lock holds without it.
    let text = Array("\(getpid())\n".utf8)
    if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
  }

  private static func lock(_ descriptor: Int32, _ path: String) throws(StoreError) {
    guard flock(descriptor, LOCK_EX | LOCK_NB) != 0 else { return }
    guard errno == EWOULDBLOCK else {
      throw StoreError(
        .failing, "it can't be locked: \(systemMessage(errno))", path: path)
    }
    throw StoreError(.inUse, process(in: descriptor) ?? "another process")
  }

  deinit { close(descriptor) }

  /// The lock file of a database. Symbolic links to the database share one.
  static func path(for database: String) -> String {
    ((try? realPath(database)) ?? database) + ".lock"
  }

  /// The process that has the lock of an existing file.
  ///
  /// - Returns: nil if no process holds it, or the file does not name a process
  static func holder(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    guard flock(descriptor, LOCK_SH | LOCK_NB) != 0, errno == EWOULDBLOCK else { return nil }
    return process(in: descriptor)
  }

  /// A path without symbolic links.
  static func realPath(_ path: String) throws(StoreError) -> String {
    guard let resolved = realpath(path, nil) else {
      throw StoreError(.failing, "it can't be found: \(systemMessage(errno))", path: path)
    }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  private static func process(in descriptor: Int32) -> String? {
    var bytes = [UInt8](repeating: 0, count: 20)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    let text = String(decoding: bytes.prefix(max(0, count)).prefix { $0 != 10 }, as: UTF8.self)
    return text.isEmpty ? nil : "process \(text)"
  }
}
