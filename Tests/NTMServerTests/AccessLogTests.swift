import Logging
import Testing

@testable import NTMServer

struct AccessLogTests {
  /// Keeps what is logged.
  private struct Recorder: LogHandler {
    let lines = Monitor<[String]>([])
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      lines.withLock { $0.append("\(event.level): \(event.message)") }
    }
  }

  private func logged(_ write: (Logger) -> Void) -> [String] {
    let recorder = Recorder()
    write(Logger(label: "test") { _ in recorder })
    return recorder.lines.withLock { $0 }
  }

  @Test func aLineSaysMethodPathStatusBytesAndMicroseconds() {
    let request = HTTPRequest(method: "POST", path: "/sessions/a%20b/step", query: "q=secret")
    let lines = logged {
      AccessLog($0, isOn: true).write(
        request, status: 201, responseBytes: 345, duration: 6_789_012)
    }
    #expect(lines == ["info: POST /sessions/a%20b/step 201 345 B 6789 µs"])
  }

  @Test func nothingIsWrittenWhereItIsOff() {
    let lines = logged {
      AccessLog($0, isOn: false).write(
        HTTPRequest(method: "GET", path: "/"), status: 200, responseBytes: 0, duration: 0)
    }
    #expect(lines.isEmpty)
  }

  /// A client can send any byte but a space and a line's end.
  @Test(arguments: [
    (path: "/\u{1B}[31m", logged: "/%1B[31m"), (path: "/a\nb\rc", logged: "/a%0Ab%0Dc"),
    (path: "/\u{7F}\u{9B}x", logged: "/%7F%C2%9Bx"), (path: "/ü😀", logged: "/ü😀"),
  ])
  func controlCharactersAreEscaped(_ path: String, _ expected: String) {
    let request = HTTPRequest(method: "G\u{1B}T", path: path)
    let lines = logged { logger in
      AccessLog(logger, isOn: true).write(request, status: 200, responseBytes: 0, duration: 0)
      Application(
        pool: .copy, sessions: SessionTable(limits: .init(.testing())), options: .testing(),
        logger: logger
      ).completed(request, status: 503, responseBytes: 0, duration: 0)
    }
    #expect(
      lines == [
        "info: G%1BT \(expected) 200 0 B 0 µs", "warning: G%1BT \(expected) failed with 503",
      ])
  }
}
