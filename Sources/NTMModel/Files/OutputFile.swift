#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// A file that is written as a whole.
///
/// A regular file is replaced by a rename, so that a reader never sees half of it, and the old file
/// stays if the write fails. A symbolic link stays, and the file behind it is replaced. Pipes and
/// character devices are opened and written to.
package struct OutputFile {
  package let path: String
  private let target: Target

  private enum Target {
    /// An open descriptor, named as in `/dev/stdout`.
    case descriptor(Int32)
    /// A pipe or a character device.
    case stream(path: String)
    /// A regular file, or a name that is free.
    case file(path: String, existing: stat?)
  }

  /// Follows symbolic links to the file that is to be written.
  ///
  /// - Parameter inputs: files that must not be replaced
  /// - Throws: `OutputFileError` if nothing can be written there, such as a folder, a block device, a
  ///   link to a missing file, or one of the inputs.
  package init(_ path: String, inputs: [String] = []) throws(OutputFileError) {
    self.path = path
    do throws(OutputFileError.Reason) {
      target = try Self.target(of: path)
      for input in inputs where Self.isSameFile(path, input) {
        throw .init("it is the same file as the input \(input)")
      }
    } catch {
      throw OutputFileError(path, error)
    }
  }

  /// Writes a whole file.
  package static func write(_ bytes: [UInt8], to path: String) throws(OutputFileError) {
    try OutputFile(path).write(bytes)
  }

  /// Whether a regular file is there, which a write replaces.
  package var replacesFile: Bool {
    if case .file(_, let existing) = target { existing != nil } else { false }
  }

  /// Whether a write makes or replaces a regular file.
  package var isRegular: Bool { if case .file = target { true } else { false } }

  package var isStandardOutput: Bool {
    if case .descriptor(STDOUT_FILENO) = target { true } else { false }
  }

  // MARK: Finding the target

  private static func target(of path: String) throws(OutputFileError.Reason) -> Target {
    guard !path.isEmpty else { throw .init("the path is empty") }
    guard path.utf8.last != UInt8(ascii: "/") else { throw .init("it names a folder") }
    var path = path
    var isLink = false
    // As many as Linux follows.
    for _ in 0...40 {
      if let descriptor = descriptor(path) { return .descriptor(descriptor) }
      var file = stat()
      guard lstat(path, &file) == 0 else {
        guard errno == ENOENT else { throw .init(errno) }
        let folder = folder(of: path)
        guard access(folder, F_OK) == 0 else { throw .init("there is no folder \(folder)") }
        guard !isLink else { throw .init("it is a symbolic link to \(path), which does not exist") }
        return .file(path: path, existing: nil)
      }
      switch file.st_mode & S_IFMT {
      case S_IFLNK:
        path = try linkTarget(path)
        isLink = true
      case S_IFREG: return .file(path: path, existing: file)
      case S_IFIFO, S_IFCHR: return .stream(path: path)
      case S_IFDIR: throw .init("it is a folder")
      case S_IFSOCK: throw .init("it is a socket")
      default: throw .init("it is a block device")
      }
    }
    throw .init(ELOOP)
  }

  /// The number in a path that names a descriptor of this process. Such a path is not opened: opening
  /// it would begin at the file's start, and needs /proc.
  private static func descriptor(_ path: String) -> Int32? {
    switch path {
    case "/dev/stdout": return STDOUT_FILENO
    case "/dev/stderr": return STDERR_FILENO
    default:
      let folders = [
        "/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/", "/proc/\(getpid())/fd/",
      ]
      guard let folder = folders.first(where: path.hasPrefix) else { return nil }
      return Int32(path.dropFirst(folder.count))
    }
  }

  /// The target of a symbolic link, relative to the working directory.
  private static func linkTarget(_ path: String) throws(OutputFileError.Reason) -> String {
    var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = bytes.withUnsafeMutableBytes {
      readlink(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    guard count >= 0 else { throw .init(errno) }
    let bytesOfTarget = bytes.prefix(count)
    guard let target = String(validating: bytesOfTarget, as: UTF8.self) else {
      throw .init(
        "it is a symbolic link to \(String(escaping: bytesOfTarget)), which is not UTF-8")
    }
    return target.hasPrefix("/") ? target : "\(folder(of: path))/\(target)"
  }

  /// The folder in which a path's last name stands.
  package static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// Whether two paths lead to one file, by links of either kind.
  package static func isSameFile(_ one: String, _ other: String) -> Bool {
    var (first, second) = (stat(), stat())
    return stat(one, &first) == 0 && stat(other, &second) == 0
      && first.st_dev == second.st_dev && first.st_ino == second.st_ino
  }

  // MARK: Writing

  /// Finds out before long work whether a write would fail. Changes nothing.
  package func checkWritable() throws(OutputFileError) {
    do throws(OutputFileError.Reason) {
      switch target {
      case .descriptor(let descriptor): try Self.checkWritable(descriptor)
      case .stream(let path):
        guard access(path, W_OK) == 0 else { throw .init(errno) }
      case .file(let path, let existing): try Replacement(path, existing).remove()
      }
    } catch {
      throw OutputFileError(path, error)
    }
  }

  package func write(_ bytes: [UInt8]) throws(OutputFileError) {
    do throws(OutputFileError.Reason) {
      switch target {
      case .descriptor(let descriptor):
        try Self.checkWritable(descriptor)
        try Self.write(bytes, descriptor)
      case .stream(let path): try Self.write(bytes, stream: path)
      case .file(let path, let existing): try Replacement(path, existing).commit(bytes)
      }
    } catch {
      throw OutputFileError(path, error)
    }
  }

  private static func checkWritable(_ descriptor: Int32) throws(OutputFileError.Reason) {
    let flags = fcntl(descriptor, F_GETFL)
    guard flags >= 0, flags & O_ACCMODE != O_RDONLY else { throw .init(EBADF) }
  }

  private static func write(
    _ bytes: [UInt8], stream path: String
  ) throws(OutputFileError.Reason) {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY)
    guard descriptor >= 0 else { throw .init(errno) }
    defer { close(descriptor) }
    try write(bytes, descriptor)
  }

  fileprivate static func write(
    _ bytes: [UInt8], _ descriptor: Int32
  ) throws(OutputFileError.Reason) {
    let code = writeAll(bytes.span.bytes, to: descriptor)
    guard code == 0 else { throw .init(code) }
  }
}

/// Why a file can't be written.
package struct OutputFileError: Error, CustomStringConvertible {
  package let description: String

  fileprivate struct Reason: Error {
    let text: String
    init(_ text: String) { self.text = text }
    init(_ code: Int32) { text = String(cString: strerror(code)) }
  }

  fileprivate init(_ path: String, _ reason: Reason) {
    description = "\(path) can't be written: \(reason.text)"
  }
}

/// Writes all bytes, also to a descriptor that does not block.
///
/// - Returns: 0, or the `errno` of the failure
package func writeAll(_ bytes: RawSpan, to descriptor: Int32) -> Int32 {
  bytes.withUnsafeBytes { bytes in
    var done = 0
    while done < bytes.count {
      let count = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      if count > 0 {
        done += count
      } else if count == 0 {
        return ENOSPC
      } else if errno == EAGAIN {
        var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&ready, 1, -1)
      } else if errno != EINTR {
        return errno
      }
    }
    return 0
  }
}

/// A temporary file beside a regular file, which takes its place.
private struct Replacement: ~Copyable {
  private let path: String
  private let existing: stat?
  private let temporary: String
  private let descriptor: Int32

  init(_ path: String, _ existing: stat?) throws(OutputFileError.Reason) {
    // A rename would replace a file that its owner has protected.
    if existing != nil, access(path, W_OK) != 0 { throw .init(errno) }
    let (temporary, descriptor) = try Self.temporaryFile(in: OutputFile.folder(of: path))
    self.path = path
    self.existing = existing
    self.temporary = temporary
    self.descriptor = descriptor
  }

  private static func temporaryFile(
    in folder: String
  ) throws(OutputFileError.Reason) -> (path: String, descriptor: Int32) {
    while true {
      let path = "\(folder)/.ntm-\(String(UInt64.random(in: 0...(.max)), radix: 36)).tmp"
      let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0 { return (path, descriptor) }
      guard errno == EEXIST || errno == EINTR else {
        throw .init("no file can be made in \(folder): \(String(cString: strerror(errno)))")
      }
    }
  }

  deinit { close(descriptor) }

  consuming func remove() { unlink(temporary) }

  /// Fills the temporary file and renames it. After a failure it is removed.
  consuming func commit(_ bytes: [UInt8]) throws(OutputFileError.Reason) {
    do throws(OutputFileError.Reason) {
      try fill(bytes)
      guard rename(temporary, path) == 0 else { throw .init(errno) }
    } catch {
      unlink(temporary)
      throw error
    }
    // The rename itself is in the folder. Some file systems can't sync one.
    let folder = open(OutputFile.folder(of: path), O_RDONLY | O_CLOEXEC)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }

  private func fill(_ bytes: [UInt8]) throws(OutputFileError.Reason) {
    try OutputFile.write(bytes, descriptor)
    if let existing {
      // Only root may keep another owner.
      _ = fchown(descriptor, existing.st_uid, existing.st_gid)
      guard fchmod(descriptor, existing.st_mode & 0o777) == 0 else { throw .init(errno) }
    }
    // Some file systems have no sync.
    guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else { throw .init(errno) }
  }
}
