#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// A file, of which parts are read when they are asked for.
///
/// It is not mapped into memory: where somebody shortens a mapped file, SIGBUS ends the process that
/// looks at it, and a server reads files that are being replaced.
final class FileReader: Sendable {
  let byteCount: Int
  private let descriptor: Int32
  private let opened: Stamp

  /// What changes with the content of a file.
  private struct Stamp: Equatable {
    let byteCount: Int
    let seconds: Int
    let nanoseconds: Int

    init(_ file: stat) {
      byteCount = Int(file.st_size)
      #if canImport(Darwin)
        let modified = file.st_mtimespec
      #else
        let modified = file.st_mtim
      #endif
      seconds = Int(modified.tv_sec)
      nanoseconds = Int(modified.tv_nsec)
    }
  }

  /// - Throws: where there is no such file, or none with a length.
  init(path: String) throws(SafeTensorsError) {
    // A pipe would be waited for until somebody writes into it.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw SafeTensorsError(errno == ENOENT ? "there is no such file" : "can't be read")
    }
    var file = stat()
    guard fstat(descriptor, &file) == 0, file.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw SafeTensorsError("can't be read")
    }
    opened = Stamp(file)
    byteCount = opened.byteCount
  }

  deinit { close(descriptor) }

  /// - Throws: where the file no longer has these bytes.
  func read(_ range: Range<Int>) throws(SafeTensorsError) -> Data {
    var data = Data(count: range.count)
    let descriptor = descriptor
    let isWhole = data.withUnsafeMutableBytes { bytes in
      var done = 0
      while done < bytes.count {
        let count = pread(
          descriptor, bytes.baseAddress! + done, bytes.count - done,
          off_t(range.lowerBound + done))
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        done += count
      }
      return true
    }
    guard isWhole else { throw SafeTensorsError("can't be read to its end") }
    return data
  }

  /// Whoever has read several parts finds out whether they belong together.
  ///
  /// - Throws: where the file was written to after it was opened.
  func checkUnchanged() throws(SafeTensorsError) {
    var file = stat()
    guard fstat(descriptor, &file) == 0, Stamp(file) == opened else {
      throw SafeTensorsError("was written to while it was read")
    }
  }
}
