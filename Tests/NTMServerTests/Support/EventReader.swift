import Foundation
import Testing

@testable import NTMServer

/// Reads server-sent events off a connection, as a browser does.
final class EventReader {
  struct Event: Equatable {
    var name: String
    var id: EventID?
    var data: String

    func object() throws -> [String: Any] {
      try #require(JSONSerialization.jsonObject(with: Data(data.utf8)) as? [String: Any], "\(data)")
    }

    /// The number of a step.
    var step: Int? { (try? object())?["step"] as? Int }
  }

  private let client: SocketClient
  private var unread = Data()

  /// Sends the request and reads the head of its reply.
  init(
    port: Int, _ target: String, _ method: String = "GET", headers: [(String, String)] = [],
    body: [UInt8] = [], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    client = try SocketClient(port: port)
    try client.send(method, target, headers: headers, body: body)
    let head = try client.receiveHead()
    try #require(head.status == 200, sourceLocation: sourceLocation)
    #expect(head.header("Content-Type") == "text/event-stream", sourceLocation: sourceLocation)
  }

  func close() { client.close() }

  /// Nil at the end of the stream.
  func next() throws -> Event? {
    while true {
      if let end = unread.firstRange(of: Data([10, 10])) {
        let text = String(decoding: unread[..<end.lowerBound], as: UTF8.self)
        unread = Data(unread[end.upperBound...])
        // A heartbeat has nothing to say.
        if let event = try Self.event(text) { return event }
      } else {
        guard let chunk = try client.receiveChunk() else {
          #expect(unread.isEmpty)
          return nil
        }
        unread += chunk
      }
    }
  }

  func next(_ count: Int) throws -> [Event] {
    try (0..<count).map { _ in try #require(try next()) }
  }

  /// All up to the end of the stream.
  func rest() throws -> [Event] {
    var events: [Event] = []
    while let event = try next() { events.append(event) }
    return events
  }

  private static func event(_ text: String) throws -> Event? {
    var event = Event(name: "message", data: "")
    var isComment = true
    for line in text.split(separator: "\n") where !line.hasPrefix(":") {
      let parts = line.split(separator: ":", maxSplits: 1).map(String.init)
      let value = try #require(parts.count == 2 ? String(parts[1].dropFirst()) : nil, "\(line)")
      isComment = false
      switch parts[0] {
      case "event": event.name = value
      case "id":
        event.id = EventID(value)
        #expect(event.id != nil, "\(line)")
      case "data": event.data += value
      default: Issue.record("\(line)")
      }
    }
    return isComment ? nil : event
  }
}
