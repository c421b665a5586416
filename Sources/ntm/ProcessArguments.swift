import ArgumentParser
import CProcess
import NTMModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The process's arguments as bytes. `CommandLine` and `ProcessInfo` replace bytes that
/// are not UTF-8, so that a path would become another one; and `CommandLine` needs /proc.
enum ProcessArguments {
  /// The arguments without the program's name.
  ///
  /// - Throws: `ValidationError` that names an argument which is not UTF-8.
  static func read() throws -> [String] {
    let count = ntm_argument_count()
    // Linux puts an empty name into an empty list.
    guard count > 1 || count == 1 && ntm_argument(0)![0] != 0 else {
      throw Failure("the process was started with an empty list of arguments")
    }
    return try (1..<count).map { index in
      let argument = ntm_argument(index)!
      guard let text = String(validatingCString: argument) else {
        throw ValidationError(
          "argument \(index), \"\(String(escaping: bytes(argument)))\", is not UTF-8; only UTF-8 is "
            + "accepted, also in names of files")
      }
      return text
    }
  }

  /// The variables of the environment with their values.
  static func environment() -> [(name: String, value: [UInt8])] {
    (0...).lazy.map { ntm_environment_variable($0) }.prefix { $0 != nil }.compactMap {
      let parts = bytes($0!).split(
        separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, let name = String(validating: parts[0], as: UTF8.self) else {
        return nil
      }
      return (name, Array(parts[1]))
    }
  }

  private static func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
    UnsafeRawBufferPointer(start: text, count: strlen(text)).map { $0 }
  }
}

/// Inherited state that every command depends on.
enum ProcessSetup {
  static func apply() {
    // A write beyond the limit on the size of files then fails as one to a full disk does.
    signal(SIGXFSZ, SIG_IGN)
    // A file that is opened must not become standard output because that was closed. What is opened
    // here can be neither read nor written.
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
    where fcntl(descriptor, F_GETFD) < 0 {
      _ = open("/", O_RDONLY)
    }
  }
}
