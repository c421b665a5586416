import Logging

@testable import NTMServer

/// Keeps what is logged.
struct LogRecorder: LogHandler {
  struct Line: Sendable {
    let text: String
    let metadata: [String: String]
  }

  let lines = Monitor<[Line]>([])
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.info

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let all = metadata.merging(event.metadata ?? [:]) { $1 }
    lines.withLock {
      $0.append(
        Line(text: "\(event.level): \(event.message)", metadata: all.mapValues { "\($0)" }))
    }
  }

  var logger: Logger { Logger(label: "test") { _ in self } }
  var all: [Line] { lines.withLock { $0 } }
}
