import Foundation
import Testing

/// A command of the system.
enum Tool {
  /// Runs it to its end, in a folder.
  static func run(
    _ name: String, _ arguments: [String], in folder: TemporaryFolder
  ) throws -> (status: Int32, output: Data) {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [name] + arguments
    process.currentDirectoryURL = URL(filePath: folder.path)
    process.standardInput = FileHandle.nullDevice
    let output = "output-\(UUID().uuidString)"
    process.standardOutput = try folder.create(output)
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    let data = FileManager.default.contents(atPath: folder.file(output)) ?? Data()
    return (process.terminationStatus, data)
  }
}
