import Foundation

/// A folder that goes away with the value.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "ntm-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The machine's Python, for comparing with packages that are there. `NTM_PYTHON` names another.
enum Python {
  static let executable = ProcessInfo.processInfo.environment["NTM_PYTHON"] ?? "python3"

  static let hasSafetensors: Bool = {
    let isThere = (try? run("import safetensors.numpy")) != nil
    if !isThere { print("skipped: reading by Python, which has no safetensors package") }
    return isThere
  }()

  struct Failed: Error {}

  /// What a script prints.
  static func run(_ script: String, _ arguments: String...) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [executable, "-c", script] + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["PYTHONIOENCODING": "utf-8"]
    ) { $1 }
    let output = Pipe()
    process.standardOutput = output
    process.standardError = Pipe()
    try process.run()
    let printed = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failed() }
    return String(decoding: printed, as: UTF8.self)
  }
}
