import Foundation
import Logging
import Testing

@testable import NTMServer

struct JSONLogHandlerTests {
  private func lines(_ write: (inout Logger) -> Void) throws -> [[String: Any]] {
    let written = Monitor<[UInt8]>([])
    var logger = Logger(label: "ntm") { label in
      JSONLogHandler(label: label) { line in written.withLock { $0 += line } }
    }
    write(&logger)
    let text = String(decoding: written.withLock { $0 }, as: UTF8.self)
    #expect(text.isEmpty || text.hasSuffix("\n"))
    return try text.split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
  }

  @Test func everyLineIsAnObject() throws {
    let lines = try lines { logger in
      logger.notice("two\nlines and \"quotes\"")
      logger[metadataKey: "request_id"] = "mine"
      logger.error("bad", metadata: ["status": .stringConvertible(503), "list": ["a", "b"]])
      logger.debug("not important enough")
    }
    #expect(lines.count == 2)
    #expect(lines[0]["message"] as? String == "two\nlines and \"quotes\"")
    #expect(lines[0]["level"] as? String == "notice")
    #expect(lines[0]["logger"] as? String == "ntm")
    let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    #expect(throws: Never.self) { try format.parse(try #require(lines[0]["time"] as? String)) }
    #expect(lines[1]["request_id"] as? String == "mine")
    #expect(lines[1]["status"] as? Int == 503)
    #expect(lines[1]["list"] as? [String] == ["a", "b"])
  }

  /// What every line has can't be written over.
  @Test func metadataDoesNotHideTheMessage() throws {
    let lines = try lines { $0.info("the message", metadata: ["message": "x", "level": "y"]) }
    #expect(lines.first?["message"] as? String == "the message")
    #expect(lines.first?["level"] as? String == "info")
  }
}
