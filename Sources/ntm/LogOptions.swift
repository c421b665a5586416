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

  /// Once in a process.
  func bootstrap() {
    switch self {
    case .text: LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    case .json: LoggingSystem.bootstrap { JSONLogHandler(label: $0) }
    }
  }
}
