/// An event of a `text/event-stream` (WHATWG HTML, section 9.2).
struct ServerSentEvent {
  let name: String
  /// What a client that connects again sends as `Last-Event-ID`; nil where it is not to resume here.
  var id: EventID?
  /// One line.
  let data: [UInt8]

  init(_ name: String, id: EventID? = nil, data: [UInt8]) {
    self.name = name
    self.id = id
    self.data = data
  }

  /// The client has missed this number of events.
  static func missed(_ count: Int) -> ServerSentEvent {
    ServerSentEvent("missed", data: Array("{\"missed\":\(count)}".utf8))
  }

  var bytes: [UInt8] {
    let head = "event: \(name)\n" + (id.map { "id: \($0)\n" } ?? "") + "data: "
    return Array(head.utf8) + data + Self.end
  }

  static let end = Array("\n\n".utf8)

  /// Keeps a connection in use; clients ignore it.
  static let heartbeat = Array(":\n\n".utf8)
}
