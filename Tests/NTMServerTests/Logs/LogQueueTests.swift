import Foundation
import Logging
import Testing

@testable import NTMServer

@Suite(.timeLimit(.minutes(2)))
struct LogQueueTests {
  /// A pipe that is full until the test reads it.
  private final class Pipe {
    let reader: Int32
    let writer: Int32

    init(nonBlocking: Bool = false) throws {
      var ends: [Int32] = [-1, -1]
      try #require(pipe(&ends) == 0)
      (reader, writer) = (ends[0], ends[1])
      // As in `ntm serve`.
      signal(SIGPIPE, SIG_IGN)
      if nonBlocking { _ = fcntl(writer, F_SETFL, O_NONBLOCK) }
    }

    deinit { close(reader) }

    /// Reads until `isEnough`.
    func read(until isEnough: (String) -> Bool) -> String {
      var bytes: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 1 << 16)
      while !isEnough(String(decoding: bytes, as: UTF8.self)) {
        let count = Foundation.read(reader, &buffer, buffer.count)
        guard count > 0 else { break }
        bytes += buffer[..<count]
      }
      return String(decoding: bytes, as: UTF8.self)
    }
  }

  private func line(_ number: Int) -> [UInt8] {
    Array("line \(number) \(String(repeating: "x", count: 90))\n".utf8)
  }

  private func lines(_ text: String) -> Int {
    text.split(separator: "\n").count { $0.hasPrefix("line ") }
  }

  /// The sum of the notes.
  private func droppedLines(_ text: String) -> Int {
    text.matches(of: /(\d+) lines? dropped: the log/).reduce(0) { $0 + (Int($1.1) ?? 0) }
  }

  /// A client can send any byte but a space and a line's end, and names come from files.
  @Test(
    arguments: [LogQueue.Format.text, .json],
    [
      (text: "/\u{1B}[31m", logged: #"/\u001b[31m"#),
      (text: "/\u{7F}\u{9B}x", logged: #"/\u007f\u009bx"#),
      (text: "/\u{202E}a\u{2066}b\u{2028}", logged: #"/\u202ea\u2066b\u2028"#),
      (text: "/\u{85}\u{61C}", logged: #"/\u0085\u061c"#), (text: "/ü😀👩‍👩‍👧", logged: "/ü😀👩‍👩‍👧"),
    ])
  func controlCharactersAreEscaped(
    _ format: LogQueue.Format, _ example: (text: String, logged: String)
  ) throws {
    let pipe = try Pipe()
    let queue = LogQueue(format: format, descriptor: pipe.writer)
    try queue.start()
    let logger = Logger(label: "test", factory: queue.handler)
    let request = HTTPRequest(method: "GET", path: example.text)
    AccessLog(logger, isOn: true, hasFields: true)
      .write(request, status: 200, responseBytes: 0, duration: 0)
    logger.warning("model \(example.text)", metadata: ["name": .string(example.text)])
    queue.stop(within: .seconds(60))
    close(pipe.writer)
    let text = pipe.read { _ in false }
    #expect(text.split(separator: "\n").count == 2)
    #expect(text.components(separatedBy: example.logged).count == 5, "\(text)")
    if format == .json {
      let line = try #require(text.split(separator: "\n").first)
      let fields = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      #expect(fields?["path"] as? String == example.text)
    }
  }

  /// A message with several lines is one line of the log.
  @Test func linesOfAMessageDoNotBecomeLinesOfTheLog() throws {
    let pipe = try Pipe()
    let queue = LogQueue(format: .text, descriptor: pipe.writer)
    try queue.start()
    Logger(label: "test", factory: queue.handler).warning("a\r\nb\n")
    queue.stop(within: .seconds(60))
    close(pipe.writer)
    #expect(pipe.read { _ in false }.hasSuffix(#"a\u000d\u000ab\u000a"# + "\n"))
  }

  @Test func linesAreWrittenInOrder() throws {
    let pipe = try Pipe()
    let queue = LogQueue(format: .text, descriptor: pipe.writer)
    try queue.start()
    for number in 0..<100 { queue.append(line(number)) }
    queue.stop(within: .seconds(60))
    close(pipe.writer)
    let expected = (0..<100).flatMap { line($0) }
    #expect(pipe.read { _ in false } == String(decoding: expected, as: UTF8.self))
    #expect(queue.droppedLines == 0)
  }

  /// The writer waits, and callers do not.
  @Test(arguments: [false, true], [LogQueue.Format.text, .json])
  func fullPipeDropsLinesAndSaysHowMany(_ isNonBlocking: Bool, _ format: LogQueue.Format) throws {
    let pipe = try Pipe(nonBlocking: isNonBlocking)
    let queue = LogQueue(
      format: format, descriptor: pipe.writer, limits: .init(lines: 50, bytes: 1 << 20))
    try queue.start()
    for number in 0..<5000 { queue.append(line(number)) }
    #expect(queue.droppedLines > 0)
    // Each line is there or counted by a note.
    let text = pipe.read { $0.hasSuffix("\n") && lines($0) + droppedLines($0) == 5000 }
    #expect(lines(text) + droppedLines(text) == 5000)
    #expect(droppedLines(text) == queue.droppedLines)
    // It flows again.
    queue.append(line(5000))
    #expect(pipe.read { $0.hasSuffix("\n") }.hasPrefix("line 5000 "))
    queue.stop(within: .seconds(60))
    close(pipe.writer)
  }

  @Test func bytesAreLimitedToo() throws {
    let pipe = try Pipe()
    let queue = LogQueue(
      format: .text, descriptor: pipe.writer, limits: .init(lines: 10, bytes: 1000))
    queue.append([UInt8](repeating: 120, count: 999))
    queue.append([120, 10])
    #expect(queue.droppedLines == 1)
    queue.append([10])
    #expect(queue.droppedLines == 1)
    queue.append([UInt8](repeating: 120, count: 1_000_000))
    #expect(queue.droppedLines == 2)
    close(pipe.writer)
  }

  #if os(Linux)
    @Test func linesThatCannotBeWrittenAreCounted() throws {
      let full = open("/dev/full", O_WRONLY)
      defer { close(full) }
      let queue = LogQueue(format: .text, descriptor: full)
      try queue.start()
      queue.append(line(1))
      queue.append(line(2))
      queue.stop(within: .seconds(60))
      #expect(queue.droppedLines == 2)
    }
  #endif

  @Test func stopGivesUpOnAPipeThatNobodyReads() throws {
    let pipe = try Pipe()
    let queue = LogQueue(format: .text, descriptor: pipe.writer)
    try queue.start()
    for number in 0..<2000 { queue.append(line(number)) }
    queue.stop(within: .milliseconds(1))
    queue.append(line(0))
    #expect(queue.droppedLines == 1)
    // The writer's thread still waits, and ends with the pipe.
    withExtendedLifetime(pipe) {}
  }

  @Test(arguments: [LogQueue.Format.text, .json])
  func handlersWriteToTheQueue(_ format: LogQueue.Format) throws {
    let pipe = try Pipe()
    let queue = LogQueue(format: format, descriptor: pipe.writer)
    try queue.start()
    Logger(label: "test") { queue.handler(label: $0) }.notice("hello")
    queue.stop(within: .seconds(60))
    close(pipe.writer)
    let text = pipe.read { _ in false }
    #expect(text.contains("hello") && text.contains("notice") && text.hasSuffix("\n"))
    #expect(text.hasPrefix("{") == (format == .json))
  }

  @Test func metricsCountDroppedLines() async throws {
    let queue = LogQueue(format: .text, descriptor: -1, limits: .init(lines: 0, bytes: 0))
    queue.append([10])
    try await withService(.router, .copy, .testing { $0.logQueue = queue }) { client in
      let metrics = try await client.metrics()
      #expect(metrics["ntm_log_lines_dropped_total"] == 1)
    }
  }
}
