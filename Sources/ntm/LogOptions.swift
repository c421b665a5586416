import ArgumentParser
import Logging
import NTMServer

/// A level of swift-log by its name.
struct LogLevel: ExpressibleByArgument {
  let level: Logger.Level

  init(level: Logger.Level) { self.level = level }

  init?(argument: String) {
    guard let level = Logger.Level(rawValue: argument) else { return nil }
    self.level = level
  }

  var defaultValueDescription: String { level.rawValue }
}

/// How lines of the log are written.
enum LogFormat: String, ExpressibleByArgument {
  case text, json

  /// Starts the log's queue and sends all lines of the process there. Once in a process.
  func bootstrap() throws -> LogQueue {
    let queue =
      switch self {
      case .text: LogQueue(format: .text)
      case .json: LogQueue(format: .json)
      }
    try queue.start()
    LoggingSystem.bootstrap { queue.handler(label: $0) }
    return queue
  }
}
