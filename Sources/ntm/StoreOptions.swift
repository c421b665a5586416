public import ArgumentParser
import NTMModel
public import NTMServer

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Where sessions are kept: `memory`, or `sqlite:` and the path of a file.
struct StoreOption: ExpressibleByArgument {
  let location: StoreLocation

  private static let prefix = "sqlite:"

  init?(argument: String) {
    if argument == "memory" {
      location = .memory
    } else if argument.hasPrefix(Self.prefix) {
      // `check` explains the fault of a path.
      location = .sqlite(path: String(argument.dropFirst(Self.prefix.count)))
    } else {
      return nil
    }
  }

  init(_ location: StoreLocation) { self.location = location }

  /// A file below the working directory.
  static let standard = StoreOption(.sqlite(path: ".ntm/sessions.sqlite"))

  var defaultValueDescription: String {
    switch location {
    case .memory: "memory"
    case .sqlite(let path): Self.prefix + path
    }
  }

  /// Checks that the option names a file.
  ///
  /// - Throws: `ValidationError`.
  func check() throws {
    guard case .sqlite(let path) = location else { return }
    if path.isEmpty {
      throw ValidationError("--store sqlite: has no file; sqlite:FILE is expected")
    }
    if path == ":memory:" {
      throw ValidationError(
        "--store sqlite::memory: is not a file; --store memory keeps sessions in memory")
    }
    if path.hasPrefix("file:") {
      throw ValidationError("--store \(Self.prefix)\(path): a path is expected, not an address")
    }
  }

  var isDurable: Bool { location != .memory }

  /// Makes the folder that the file is to be in.
  ///
  /// - Throws: where it can't be made.
  func prepare() throws {
    try check()
    guard case .sqlite(let path) = location else { return }
    try checkRealPath()
    let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
      .joined(separator: "/")
    guard !folder.isEmpty, !FileManager.default.fileExists(atPath: folder) else { return }
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: false,
        attributes: [.posixPermissions: 0o700])
    } catch {
      throw Failure(
        "the folder \(folder) for the sessions can't be made; give another place by --store, or "
          + "--store memory to keep them in memory only")
    }
  }
}

extension StoreOption {
  /// The lock of a store is named after the path without symbolic links, which may lead anywhere.
  ///
  /// - Throws: `Failure` if that path is not UTF-8.
  func checkRealPath() throws {
    guard case .sqlite(let path) = location else { return }
    let folder = OutputFile.folder(of: path)
    // The file may have to be made yet, and its folder.
    for path in [path, folder, OutputFile.folder(of: folder)] {
      guard let real = realpath(path, nil) else { continue }
      defer { free(real) }
      guard String(validatingCString: real) == nil else { return }
      let bytes = UnsafeRawBufferPointer(start: real, count: strlen(real))
      throw Failure(
        "the sessions can't be kept in \(path): it is \"\(String(escaping: bytes))\", which is not "
          + "UTF-8")
    }
  }
}

extension Durability: ExpressibleByArgument {}
