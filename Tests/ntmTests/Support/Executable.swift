import Foundation
import Testing

/// The built executable, run as a process of its own. What it prints goes to files, so that no pipe
/// can fill up.
final class Executable {
  struct Ending {
    let status: Int32
    let output: String
    let errors: String
  }

  /// Seconds after which a process that hangs is a failed test. On a machine with much other work,
  /// Foundation once had not told of an end after a minute.
  static let patience = 180.0

  /// Where the project's models are.
  static let projectFolder = URL(filePath: #filePath)
    .deletingLastPathComponent().appending(path: "../../..").standardized.path
  static let models = "\(projectFolder)/Models"

  private static let path: String = {
    // Beside the tests' executable, or on macOS their bundle.
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
    let tests =
      bundle?.bundleURL ?? Bundle.main.executableURL ?? URL(filePath: CommandLine.arguments[0])
    return tests.deletingLastPathComponent().appending(path: "ntm").path
  }()

  private let process = Process()
  private let folder: TemporaryFolder

  /// - Parameters:
  ///   - environment: all of it
  ///   - input: a file or a pipe; nothing by default
  ///   - shell: commands of a shell that becomes the process, such as `ulimit`
  init(
    _ arguments: [String], environment: [String: String] = [:],
    input: Any = FileHandle.nullDevice, shell: String? = nil
  ) throws {
    folder = try TemporaryFolder()
    if let shell {
      process.executableURL = URL(filePath: "/bin/sh")
      process.arguments = ["-c", "\(shell); exec \"$0\" \"$@\"", Self.path] + arguments
    } else {
      process.executableURL = URL(filePath: Self.path)
      process.arguments = arguments
    }
    process.environment = environment
    process.currentDirectoryURL = URL(filePath: folder.path)
    process.standardInput = input
    process.standardOutput = try folder.create("output")
    process.standardError = try folder.create("errors")
    try process.run()
  }

  deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

  var output: String { folder.read("output") }
  var errors: String { folder.read("errors") }
  var isRunning: Bool { process.isRunning }

  func signal(_ signal: Int32) { kill(process.processIdentifier, signal) }

  /// Waits until `condition` gives something.
  func wait<Value>(
    for what: String, _ condition: () throws -> Value?
  ) throws -> Value {
    let end = Date.now.addingTimeInterval(Self.patience)
    while Date.now < end {
      if let value = try condition() { return value }
      usleep(2000)
    }
    throw Hang(description: "no \(what) of \(process.arguments ?? []): \(output) \(errors)")
  }

  func waitForEnd() throws -> Ending {
    try wait(for: "end") { process.isRunning ? nil : () }
    return Ending(status: process.terminationStatus, output: output, errors: errors)
  }

  /// Runs it from beginning to end.
  static func run(
    _ arguments: [String], environment: [String: String] = [:], input: String = ""
  ) throws -> Ending {
    let folder = try TemporaryFolder()
    try Data(input.utf8).write(to: URL(filePath: folder.file("input")))
    let input = try #require(FileHandle(forReadingAtPath: folder.file("input")))
    return try Executable(arguments, environment: environment, input: input).waitForEnd()
  }

  struct Hang: Error, CustomStringConvertible {
    let description: String
  }
}

/// A folder that goes away with its last user.
final class TemporaryFolder {
  let path = FileManager.default.temporaryDirectory.appending(path: "ntm-\(UUID().uuidString)").path

  init() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  func create(_ name: String) throws -> FileHandle {
    try write(name, "")
    return try #require(FileHandle(forWritingAtPath: file(name)))
  }

  func read(_ name: String) -> String {
    String(decoding: FileManager.default.contents(atPath: file(name)) ?? Data(), as: UTF8.self)
  }

  /// Puts a copy of a shipped model there.
  func copyModel(_ name: String = "copy") throws {
    try FileManager.default.copyItem(
      atPath: "\(Executable.models)/\(name).safetensors", toPath: file("\(name).safetensors"))
  }

  func write(_ name: String, _ content: String) throws {
    try Data(content.utf8).write(to: URL(filePath: file(name)))
  }
}
