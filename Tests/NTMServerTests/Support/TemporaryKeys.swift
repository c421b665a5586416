import Foundation

@testable import NTMServer

/// A file of keys of a test's own, which goes away with it.
final class TemporaryKeys: Sendable {
  let path = FileManager.default.temporaryDirectory
    .appending(path: "ntm-keys-\(UUID().uuidString)").path
  let keys: APIKeys

  init(_ content: String, mode: Int = 0o600) throws {
    try Data(content.utf8).write(to: URL(filePath: path))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    do { keys = try APIKeys(path: path) } catch {
      try? FileManager.default.removeItem(atPath: path)
      throw error
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ content: String) throws {
    try Data(content.utf8).write(to: URL(filePath: path))
  }
}
