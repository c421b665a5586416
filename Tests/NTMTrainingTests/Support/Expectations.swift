import Foundation
import Testing

/// Expects `body` to throw an error of a kind whose text contains every one of `parts`.
func expectError<E: Error>(
  _ type: E.Type, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> Any
) {
  do {
    let result = try body()
    Issue.record("\(result) instead of an error: \(parts)", sourceLocation: sourceLocation)
  } catch let error as E {
    for part in parts {
      #expect(
        "\(error)".contains(part), "\"\(error)\" has no \"\(part)\"", sourceLocation: sourceLocation
      )
    }
  } catch {
    Issue.record("not a \(type): \(error)", sourceLocation: sourceLocation)
  }
}

/// Expects two numbers to be within `tolerance`, times the larger of 1 and the expected magnitude.
func expectClose(
  _ got: Double, _ expected: Double, within tolerance: Double, _ what: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  // A NaN is close to nothing.
  #expect(
    abs(got - expected) <= tolerance * max(1, abs(expected)), "\(what) is \(got), not \(expected)",
    sourceLocation: sourceLocation)
}

/// A folder that goes away with its last user.
final class TemporaryFolder {
  let path = FileManager.default.temporaryDirectory.appending(path: "ntm-\(UUID().uuidString)").path

  init() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  /// - Returns: the file's path
  func write(_ name: String, _ content: String) throws -> String {
    try Data(content.utf8).write(to: URL(filePath: file(name)))
    return file(name)
  }
}
