#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The part of a request's body that is on disk, in a file without a name: it is gone with its last
/// user, even if the process is killed.
///
/// The event loop appends while the body arrives. From then on it is only read, with a position of
/// each reader's own, from any thread.
final class BodyFile: Sendable {
  struct Failure: Error {
    let reason: String
  }

  private let descriptor: Int32

  init(in directory: String) throws(Failure) {
    var template = Array("\(directory)/ntm-body-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else {
      throw Failure(reason: "no file in \(directory): \(systemMessage(errno))")
    }
    unlink(template)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  func append(_ part: UnsafeRawBufferPointer) throws(Failure) {
    var rest = part[...]
    while !rest.isEmpty {
      let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if count == 0 || errno != EINTR {
        throw Failure(reason: systemMessage(count == 0 ? ENOSPC : errno))
      }
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
      guard errno == EINTR else { throw Failure(reason: systemMessage(errno)) }
    }
  }
}
