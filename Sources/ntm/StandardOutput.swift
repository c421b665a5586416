import ArgumentParser
import NTMModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Standard output whose write errors are thrown. `print` ignores a full disk.
enum StandardOutput {
  static func print(_ line: String) throws { try write(Array((line + "\n").utf8)) }

  /// - Throws: `Failure`, or an `ExitCode` without a message if the reader has closed its pipe.
  static func write(_ bytes: [UInt8]) throws {
    let code = writeAll(bytes.span.bytes, to: STDOUT_FILENO)
    switch code {
    case 0: return
    // The status that a shell reports for SIGPIPE, which may be ignored.
    case EPIPE: throw ExitCode(128 + SIGPIPE)
    default:
      throw Failure("standard output can't be written: \(String(cString: strerror(code)))")
    }
  }
}

/// Lines for standard output that are written in blocks. The last block is written by `flush`.
struct OutputLines: ~Copyable {
  private var bytes: [UInt8] = []
  private static let blockSize = 1 << 16

  mutating func add(_ line: String) throws {
    bytes += line.utf8
    bytes.append(UInt8(ascii: "\n"))
    if bytes.count >= Self.blockSize { try flush() }
  }

  mutating func flush() throws {
    try StandardOutput.write(bytes)
    bytes.removeAll(keepingCapacity: true)
  }
}
