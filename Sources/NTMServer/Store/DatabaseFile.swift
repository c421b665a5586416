#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The file of a database: its identity, and the lock that keeps other servers from using it.
///
/// The lock is on the file itself, so that it holds whatever path leads to the file: a hard link, a
/// symbolic link or a bind mount. It is a `flock`, which on local file systems is independent of the
/// POSIX locks that SQLite uses. A process that closes any descriptor of a file loses its POSIX locks
/// of that file. Therefore the process has one descriptor per file, which is opened before SQLite's
/// connections and closed after them.
final class DatabaseFile: Sendable {
  struct Identity: Hashable, Sendable {
    let device: UInt64
    let inode: UInt64

    fileprivate init(_ status: stat) {
      device = UInt64(truncatingIfNeeded: status.st_dev)
      inode = UInt64(truncatingIfNeeded: status.st_ino)
    }

    /// - Returns: nil if there is no such file, or it can't be examined
    init?(of path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      self.init(status)
    }
  }

  private struct Descriptor {
    let number: Int32
    var users = 0
    var isLocked = false
  }

  /// The open files of this process.
  private static let descriptors = Lock<[Identity: Descriptor]>([:])

  let path: String
  let identity: Identity
  private let hasLock = Lock(false)
  /// SQLite's log beside the file.
  private let log = Lock<Identity?>(nil)

  /// Opens the file, or makes one that only its owner can read.
  init(_ path: String) throws(StoreError) {
    self.path = path
    identity = try Self.descriptors.withLock { descriptors throws(StoreError) in
      if let known = Identity(of: path), descriptors[known] != nil {
        descriptors[known]!.users += 1
        return known
      }
      let number = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o600)
      guard number >= 0 else { throw Self.unusable(path) }
      var status = stat()
      do throws(StoreError) {
        guard fstat(number, &status) == 0 else { throw Self.unusable(path) }
        try Self.checkRegular(status, path)
      } catch {
        close(number)
        throw error
      }
      let identity = Identity(status)
      descriptors[identity, default: Descriptor(number: number)].users += 1
      return identity
    }
  }

  /// Checks a file that is only read, without opening it.
  static func check(_ path: String) throws(StoreError) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT { throw StoreError(.failing, "there is no such file", path: path) }
      throw unusable(path)
    }
    try checkRegular(status, path)
  }

  private static func checkRegular(_ status: stat, _ path: String) throws(StoreError) {
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw StoreError(.foreign, "it is not a regular file", path: path)
    }
  }

  private static func unusable(_ path: String) -> StoreError {
    StoreError(.failing, "it can't be opened: \(systemMessage(errno))", path: path)
  }

  /// To be released after SQLite's connections.
  deinit {
    unlock()
    Self.descriptors.withLock { descriptors in
      descriptors[identity]!.users -= 1
      guard descriptors[identity]!.users == 0 else { return }
      close(descriptors.removeValue(forKey: identity)!.number)
    }
  }

  // MARK: Lock

  /// - Throws: `StoreError` `.inUse`, with the process that has the lock as the reason, or `.failing`
  ///   if the file has several names.
  func lock() throws(StoreError) {
    try Self.descriptors.withLock { descriptors throws(StoreError) in
      let descriptor = descriptors[identity]!
      guard !descriptor.isLocked else { throw StoreError(.inUse, "process \(getpid())") }
      try lock(descriptor.number)
      do throws(StoreError) { try checkLinks(descriptor.number) } catch {
        flock(descriptor.number, LOCK_UN)
        throw error
      }
      descriptors[identity]!.isLocked = true
    }
    hasLock.withLock { $0 = true }
  }

  private func lock(_ descriptor: Int32) throws(StoreError) {
    guard !isRemote, flock(descriptor, LOCK_EX | LOCK_NB) != 0 else { return }
    guard errno == EWOULDBLOCK else {
      throw StoreError(.failing, "it can't be locked: \(systemMessage(errno))", path: path)
    }
    throw StoreError(
      .inUse, holder ?? LockFile.holder(LockFile.path(for: path)) ?? "another process")
  }

  /// SQLite's log lies beside one of the names, and is not found by the others.
  private func checkLinks(_ descriptor: Int32) throws(StoreError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_nlink > 1 else { return }
    throw StoreError(
      .failing,
      "the file has \(status.st_nlink) names (hard links), but SQLite keeps the newest changes in a "
        + "log beside one of them; remove the other names, or replace them by copies "
        + "(find FOLDER -inum \(identity.inode) lists them)",
      path: path)
  }

  func unlock() {
    let hadLock = hasLock.withLock { hasLock in
      defer { hasLock = false }
      return hasLock
    }
    guard hadLock else { return }
    Self.descriptors.withLock { descriptors in
      flock(descriptors[identity]!.number, LOCK_UN)
      descriptors[identity]!.isLocked = false
    }
  }

  /// Network file systems turn `flock` into a lock that excludes SQLite's own.
  private var isRemote: Bool {
    let device = identity.device
    let major = (device >> 8) & 0xFFF | (device >> 32) & ~0xFFF
    let minor = device & 0xFF | (device >> 12) & ~0xFF
    // 36 35 98:0 /root /mountpoint rw,noatime master:1 - nfs4 server:/path rw
    guard
      let mount = mounts.first(where: { $0.count > 2 && $0[2] == "\(major):\(minor)" }),
      let dash = mount.firstIndex(of: "-"), dash + 1 < mount.count
    else { return false }
    return ["nfs", "cifs", "smb", "afs", "9p"].contains { mount[dash + 1].hasPrefix($0) }
  }

  /// The fields of each line of the process' mounts.
  private var mounts: [[Substring]] {
    textFile("/proc/self/mountinfo")?.split(separator: "\n").map { $0.split(separator: " ") } ?? []
  }

  /// The process that has the lock, if the system reports it.
  private var holder: String? {
    guard let locks = textFile("/proc/locks") else { return nil }
    for line in locks.split(separator: "\n") {
      // 1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF
      let fields = line.split(separator: " ")
      guard fields.count > 5, fields[1] == "FLOCK", let process = Int(fields[4]), process > 0,
        let inode = fields[5].split(separator: ":").last, UInt64(inode) == identity.inode
      else { continue }
      return "process \(process)"
    }
    return nil
  }

  // MARK: Place

  /// - Throws: `StoreError` `.replaced` if the path leads to another file or to none. What is written
  ///   then is lost when the process ends.
  func checkPlace() throws(StoreError) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      guard [ENOENT, ENOTDIR, ELOOP].contains(errno) else { return }
      throw StoreError(
        .replaced, "its file was deleted or moved while the server used it", path: path)
    }
    guard Identity(status) == identity else {
      throw StoreError(.replaced, "its file was replaced while the server used it", path: path)
    }
    guard let log = log.withLock({ $0 }), Identity(of: logPath) != log else { return }
    throw StoreError(
      .replaced, "its log (-wal) was deleted or replaced while the server used it", path: path)
  }

  private var logPath: String { ((try? LockFile.realPath(path)) ?? path) + "-wal" }

  /// SQLite has opened its log, and keeps it until it closes the database.
  func noteLog() {
    let identity = Identity(of: logPath)
    log.withLock { $0 = identity }
  }

  /// Whether the file itself is a mount point, as a bind mount of a single file makes it.
  var isMountPoint: Bool {
    guard let real = try? LockFile.realPath(path) else { return false }
    let escaped = real.utf8.reduce(into: "") { text, byte in
      switch byte {
      case UInt8(ascii: " "): text += "\\040"
      case UInt8(ascii: "\\"): text += "\\134"
      case UInt8(ascii: "\t"): text += "\\011"
      case UInt8(ascii: "\n"): text += "\\012"
      default: text.unicodeScalars.append(Unicode.Scalar(byte))
      }
    }
    // Bytes beyond ASCII are compared as Latin-1 on both sides.
    return mounts.contains { $0.count > 4 && $0[4] == escaped }
  }
}

/// A small file of the system, byte by byte as Latin-1.
private func textFile(_ path: String) -> String? {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  var text = String.UnicodeScalarView()
  var bytes = [UInt8](repeating: 0, count: 64 << 10)
  while true {
    let count = read(descriptor, &bytes, bytes.count)
    guard count > 0 else { return String(text) }
    text.append(contentsOf: bytes[..<count].lazy.map { Unicode.Scalar($0) })
  }
}
