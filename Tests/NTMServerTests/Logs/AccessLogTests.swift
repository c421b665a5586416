import Logging
import Testing

@testable import NTMServer

struct AccessLogTests {
  private func logged(_ write: (Logger) -> Void) -> [String] {
    let recorder = LogRecorder()
    write(recorder.logger)
    return recorder.all.map(\.text)
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

  @Test func aLineNamesTheRequestItsKeyAndItsTrace() throws {
    let recorder = LogRecorder()
    let keys = try TemporaryKeys("alice: 0123456789abcdef")
    let options = ServiceOptions.testing {
      $0.accessLog = true
      $0.apiKeys = keys.keys
    }
    let application = Application(
      pool: .copy, sessions: SessionTable(limits: .init(options)), options: options,
      logger: recorder.logger)
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    let request = HTTPRequest(
      method: "GET", path: "/models",
      headers: [
        ("X-Request-Id", "mine"), ("Authorization", "Bearer 0123456789abcdef"),
        ("traceparent", "00-\(trace)-00f067aa0ba902b7-01"),
      ])
    guard case .respond(var response) = application.handle(request) else {
      Issue.record("no answer")
      return
    }
    application.complete(&response, to: request)
    application.completed(request, status: 503, responseBytes: 1, duration: 2000)
    let metadata = ["request_id": "mine", "key": "alice", "trace_id": trace]
    #expect(recorder.all.map(\.metadata) == [metadata, metadata])
    // Without key, in a log for programs.
    AccessLog(recorder.logger, isOn: true, hasFields: true).write(
      HTTPRequest(method: "PUT", path: "/x", headers: [("X-Request-Id", "other")]), status: 404,
      responseBytes: 3, duration: 5000)
    #expect(
      recorder.all.last?.metadata == [
        "request_id": "other", "method": "PUT", "path": "/x", "status": "404", "bytes": "3",
        "duration_us": "5",
      ])
  }
}
