import Testing

@testable import NTMServer

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Answers with what it was asked, so that a test can see what arrived; a gate lets a test decide
/// when offloaded work ends.
///
/// | path | answer |
/// |---|---|
/// | `/offload` | like every other path, from a worker |
/// | `/gated` | the same, after `gate` was opened |
/// | `/held` | like every other path, after `gate` was opened; it holds the event loop meanwhile |
/// | `/later` | like every other path, finished before the handler returns |
/// | `/dropped` | none: its completion is dropped |
/// | `/kept` | none until the test finishes what is in `kept` |
/// | `/stream` | a stream, which the test takes by `takeStreams` |
/// | `/streamed-later` | the same, by way of a completion |
/// | `/lines` | the lines of the body, which is spooled up to `?max=` bytes, put together again |
/// | `/lines-stream` | the same as a stream, made when the request may be over |
/// | `/discarded` | like every other path; a body is received and not kept |
/// | `/count` | how many lines a spooled body has |
/// | `/memory` | the length of a body in memory, up to `?max=` bytes |
/// | `/length` | the body's length |
/// | `/nothing` | 204 |
/// | `/bytes?n=…` | so many bytes |
/// | `/text?n=…` | so many bytes of text, which packs well |
/// | `/text-offload?n=…`, `/text-later?n=…` | the same, from a worker, or by way of a completion |
/// | others | a line for each part of the request, then the body |
final class TestHandler: HTTPHandler {
  struct Completion: Sendable, Equatable {
    var path: String
    var status: Int
    var responseBytes: Int
  }

  let gate = Gate()
  /// Opened when the first gated work has begun.
  let begun = Gate()
  /// What waits for its answer.
  let kept = Monitor<[(request: HTTPRequest, completion: HTTPCompletion)]>([])
  /// Those that have begun.
  let streams = Monitor<[HTTPBodyStream]>([])
  private let completions = Monitor<[Completion]>([])

  func handle(_ request: HTTPRequest) -> HTTPOutcome {
    switch request.path {
    case "/offload":
      return .offload { Self.echo(request) }
    case "/gated":
      return .offload { [gate, begun] in
        begun.open()
        gate.pass()
        return Self.echo(request)
      }
    case "/held":
      begun.open()
      gate.pass()
      return .respond(Self.echo(request))
    case "/later":
      return .later { $0.finish(Self.echo(request)) }
    case "/dropped":
      return .later { _ in }
    case "/kept":
      return .later { [kept] completion in
        kept.withLock { $0.append((request, completion)) }
        kept.broadcast()
      }
    case "/stream":
      return .stream(streamReply)
    case "/streamed-later":
      return .later { [streamReply] in $0.finish(streamReply) }
    case "/lines":
      return .offload { Self.joinLines(request.bodyLines) }
    case "/lines-stream":
      return .stream(
        HTTPStreamReply(status: 200) { stream in
          let lines = request.bodyLines
          Self.stream(lines, to: stream)
        })
    case "/count":
      return .offload { Self.countLines(request.bodyLines) }
    case "/length", "/memory":
      return .respond(HTTPResponse(status: 200, body: Array("\(request.body.count)".utf8)))
    case "/nothing":
      return .respond(HTTPResponse(status: 204))
    case "/bytes":
      let count = request.queryValue("n").flatMap { Int($0) } ?? 0
      return .respond(
        HTTPResponse(status: 200, body: (0..<count).map { UInt8(truncatingIfNeeded: $0) }))
    case "/text":
      return .respond(Self.text(request))
    case "/text-offload":
      return .offload { Self.text(request) }
    case "/text-later":
      return .later { $0.finish(Self.text(request)) }
    default:
      return .respond(Self.echo(request))
    }
  }

  private static func text(_ request: HTTPRequest) -> HTTPResponse {
    let count = request.queryValue("n").flatMap { Int($0) } ?? 0
    return HTTPResponse(
      status: 200, contentType: "text/plain; charset=utf-8", body: textBody(count))
  }

  static func textBody(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(ascii: "a") + UInt8(truncatingIfNeeded: $0 / 7 % 11) }
  }

  func bodyLimit(for request: HTTPRequest) -> HTTPBodyLimit {
    let max = request.queryValue("max").flatMap { Int($0) } ?? .max
    switch request.path {
    case "/lines", "/lines-stream", "/count": return .spooled(max: max)
    case "/discarded": return .discarded
    default: return .memory(max: max)
    }
  }

  func refuse(_ refusal: HTTPRefusal, _ request: HTTPRequest) -> HTTPResponse {
    HTTPResponse(status: 200, body: Array("\(request.path) refused: \(refusal)".utf8))
  }

  func completed(_ request: HTTPRequest, status: Int, responseBytes: Int, duration: UInt64) {
    completions.withLock {
      $0.append(
        Completion(path: request.path, status: status, responseBytes: responseBytes))
    }
    completions.broadcast()
  }

  /// The completed requests, once there are so many; after `SocketClient.timeoutSeconds` those
  /// that there are.
  func completed(count: Int) -> [Completion] {
    completions.wait(until: testDeadline()) { $0.count >= count ? $0 : nil }
      ?? completions.withLock { $0 }
  }

  private var streamReply: HTTPStreamReply {
    HTTPStreamReply(status: 200, headers: [("Content-Type", "text/plain")]) { [streams] stream in
      streams.withLock { $0.append(stream) }
      streams.broadcast()
    }
  }

  /// Takes the streams that have begun, once there are so many; the caller holds them.
  func takeStreams(_ count: Int = 1) throws -> [HTTPBodyStream] {
    try #require(
      streams.wait(until: testDeadline()) { streams in
        guard streams.count >= count else { return nil }
        defer { streams = [] }
        return streams
      })
  }

  /// Takes the requests that wait for an answer, once there are so many.
  func takeKept(count: Int) -> [(request: HTTPRequest, completion: HTTPCompletion)] {
    kept.wait(until: testDeadline()) { kept in
      guard kept.count >= count else { return nil }
      defer { kept = [] }
      return kept
    } ?? []
  }

  private static func joinLines(_ lines: HTTPBodyLines) -> HTTPResponse {
    var (lines, body, count) = (lines, [UInt8](), 0)
    do throws(HTTPBodyError) {
      while let line = try lines.next() {
        if count > 0 { body.append(10) }
        body += line
        count += 1
      }
      return HTTPResponse(status: 200, body: body)
    } catch {
      return HTTPResponse(status: 422, body: Array("\(error)".utf8))
    }
  }

  private static func countLines(_ lines: HTTPBodyLines) -> HTTPResponse {
    var (lines, count) = (lines, 0)
    while (try? lines.next()) != nil { count += 1 }
    return HTTPResponse(status: 200, body: Array("\(count)".utf8))
  }

  private static func stream(_ lines: HTTPBodyLines, to stream: HTTPBodyStream) {
    do {
      try SystemThread {
        var (lines, isFirst) = (lines, true)
        while let line = try? lines.next() {
          guard stream.write(isFirst ? line : [10] + line) else { return }
          isFirst = false
        }
        stream.finish()
      }.detach()
    } catch {
      Issue.record(error)
    }
  }

  static func echo(_ request: HTTPRequest) -> HTTPResponse {
    let lines = [
      "\(request.method) \(request.path)",
      "q=\(request.queryValue("q") ?? "nil")",
      "x-test=\(request.header("X-TEST") ?? "nil")",
      "from=\(request.remoteAddress)",
    ]
    return HTTPResponse(
      status: 200,
      headers: [
        ("Content-Type", "text/plain"), ("X-Reply", "yes"), ("X-Host", request.header(.host) ?? ""),
      ],
      body: Array((lines.joined(separator: "\n") + "\n").utf8) + request.body)
  }
}

/// Closed until it is opened.
final class Gate: Sendable {
  private let isOpen = Monitor(false)

  func open() {
    isOpen.withLock { $0 = true }
    isOpen.broadcast()
  }

  func pass() {
    if isOpen.wait(until: testDeadline(), { $0 ? true : nil }) == nil {
      Issue.record("a gate was not opened")
    }
  }
}

func testDeadline() -> UInt64 {
  monotonicNanoseconds() + UInt64(SocketClient.timeoutSeconds) * 1_000_000_000
}

extension HTTPServer.Options {
  /// Two loops and two workers on any machine.
  static func testing(_ configure: (inout Self) -> Void = { _ in }) -> Self {
    var options = Self()
    options.eventLoops = 2
    options.workers = 2
    configure(&options)
    return options
  }
}

/// A server on a port of its own, stopped at the end of `body`.
func withServer<Result>(
  _ options: HTTPServer.Options = .testing(),
  _ body: (HTTPServer, TestHandler, Int) throws -> Result
) throws -> Result {
  let handler = TestHandler()
  let server = HTTPServer(options: options, handler: handler)
  try server.start()
  defer {
    handler.gate.open()
    handler.kept.withLock { $0 = [] }
    handler.streams.withLock { $0 = [] }
    // No test may leave a request behind.
    let ending = server.stop(drainTimeout: .seconds(SocketClient.timeoutSeconds))
    #expect(ending == .drained || ending == .notRunning)
  }
  return try body(server, handler, server.port!)
}

/// A `stop` that runs on a thread of its own.
final class Stopping: Sendable {
  private let ending = Monitor<HTTPServer.Ending?>(nil)

  init(_ server: HTTPServer, drainTimeout: Duration) {
    let ending = self.ending
    do {
      try SystemThread {
        let result = server.stop(drainTimeout: drainTimeout)
        ending.withLock { $0 = result }
        ending.broadcast()
      }.detach()
    } catch {
      Issue.record(error)
    }
  }

  func wait() -> HTTPServer.Ending {
    ending.wait { $0 }
  }
}

/// The bytes as a chunked body.
func chunked(_ bytes: [UInt8], by size: Int) -> [UInt8] {
  var result: [UInt8] = []
  for start in stride(from: 0, to: bytes.count, by: size) {
    let part = bytes[start..<min(start + size, bytes.count)]
    result += Array("\(String(part.count, radix: 16))\r\n".utf8) + part + [13, 10]
  }
  return result + Array("0\r\n\r\n".utf8)
}

/// As `==`, which takes seconds for megabytes where nothing is optimized.
func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
  left.count == right.count && memcmp(left, right, left.count) == 0
}
