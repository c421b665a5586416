/// What is kept of one request of a live connection, from the end of its headers until its
/// completion. A loop uses a record again for another request when nobody holds it any more.
///
/// `@unchecked Sendable`: a record belongs to one thread at a time. It belongs to its event loop,
/// except while its connection is suspended: then to the worker that runs its work, or to whoever
/// holds its completion. A worker gets it through the pool's lock and gives it back through
/// `EventLoop.finish`, whose lock, and libmicrohttpd's own in resuming, order the worker's writes
/// before the loop's reads. A completion is finished through the same.
///
/// `@exclusivity(unchecked)`: none of its variables is used while it is being changed, as each change is
/// an assignment or a call of the standard library. Checking that costs every request a per cent.
final class RequestRecord: @unchecked Sendable {
  enum Phase {
    /// Headers are here, the body is arriving.
    case receiving
    /// The body is complete, and the connection is suspended while a worker stores or unpacks it.
    case finishing
    /// The connection is suspended, for a worker or a completion; `reply` is set before it is
    /// resumed.
    case suspended
    /// A response has been queued; `responseBody` is not changed any more. The connection of a stream may be
    /// suspended again; `stream` guards itself.
    case answered
  }

  private var liveConnection: MicroHTTPD.Connection?
  /// Of the loop's thread alone. Not counted: a connection outlives its requests.
  private(set) unowned(unsafe) var client: ConnectionRecord
  private var clientHead: RequestHead
  /// Zero-terminated, in the connection's memory: valid while the connection is.
  private(set) var methodText: UnsafePointer<CChar>
  private(set) var path: UnsafePointer<CChar>
  private(set) var method = HTTPMethod.other
  /// Every version but HTTP/1.0 must name its host.
  private(set) var needsHost = false
  /// Monotonic nanoseconds.
  private(set) var started: UInt64 = 0
  /// Not counted: every record is completed before its loop ends.
  unowned(unsafe) let loop: EventLoop

  @exclusivity(unchecked) var phase = Phase.receiving
  /// The body, or its first part if there are blocks or a file.
  @exclusivity(unchecked) var body: [UInt8] = []
  /// The rest as it arrives; of a spooled body, the part that is not in its file yet.
  @exclusivity(unchecked) var blocks: [BodyBlock] = []
  /// The rest of a spooled body.
  @exclusivity(unchecked) var bodyFile: BodyFile?
  @exclusivity(unchecked) var isSpooled = false
  /// Whether the next part is received however many there are: it has waited for that.
  @exclusivity(unchecked) var hasTurn = false
  /// Whether the body is received but not kept.
  @exclusivity(unchecked) var isDiscarded = false
  /// Bytes reserved in the budget of bodies: in all, for `body`, and for `blocks`.
  @exclusivity(unchecked) var reservedBytes = 0
  @exclusivity(unchecked) var bodyRoom = 0
  @exclusivity(unchecked) var blockBytes = 0
  @exclusivity(unchecked) var bodyLimit = 0
  /// Whether the body was sent as gzip.
  @exclusivity(unchecked) var isPacked = false
  /// The body's length by its `Content-Length`; nil if there is none, as for a chunked body.
  @exclusivity(unchecked) var expectedBytes: Int?
  /// Of the body as sent, what was dropped included.
  @exclusivity(unchecked) var receivedBytes = 0
  /// Of the body itself, as far as it is taken.
  @exclusivity(unchecked) var bodyBytes = 0
  /// Why the body is not kept; it is read to its end before this is said.
  @exclusivity(unchecked) var bodyRefusal: HTTPRefusal?
  /// What the end of a suspension brings.
  @exclusivity(unchecked) var reply: HTTPReply?
  /// Whether it was decided how the reply is packed.
  @exclusivity(unchecked) var isEncoded = false
  /// Of what is answered.
  @exclusivity(unchecked) var status = 0
  @exclusivity(unchecked) var responseBody: [UInt8] = []
  /// What `lendBody` gives.
  @exclusivity(unchecked) private var spareBody: [UInt8] = []
  @exclusivity(unchecked) private var isBodyLent = false
  @exclusivity(unchecked) var stream: StreamBuffer?
  @exclusivity(unchecked) var notes = RequestNotes()

  init(
    connection: MicroHTTPD.Connection, client: ConnectionRecord, method: UnsafePointer<CChar>,
    path: UnsafePointer<CChar>, needsHost: Bool, loop: EventLoop
  ) {
    self.client = client
    clientHead = client.head
    self.loop = loop
    methodText = method
    self.path = path
    begin(
      connection: connection, client: client, method: method, path: path, needsHost: needsHost)
  }

  /// Begins with a request, the first one or another.
  func begin(
    connection: MicroHTTPD.Connection, client: ConnectionRecord, method: UnsafePointer<CChar>,
    path: UnsafePointer<CChar>, needsHost: Bool
  ) {
    liveConnection = connection
    self.client = client
    clientHead = client.head
    methodText = method
    self.method = HTTPMethod(method)
    self.path = path
    self.needsHost = needsHost
    started = monotonicNanoseconds()
  }

  /// Bytes of room for a body, or that of a response, that are kept for the next one. A loop keeps up
  /// to 256 records, so 8 MiB.
  private static let keptCapacity = 16 << 10

  /// Forgets the request, when it is completed and nobody holds this.
  func forget() {
    phase = .receiving
    Self.empty(&body)
    if !blocks.isEmpty { blocks = [] }
    bodyFile = nil
    isSpooled = false
    hasTurn = false
    bodyLimit = 0
    isDiscarded = false
    isPacked = false
    expectedBytes = nil
    receivedBytes = 0
    bodyBytes = 0
    bodyRefusal = nil
    reply = nil
    isEncoded = false
    status = 0
    if isBodyLent {
      Self.empty(&responseBody)
      swap(&spareBody, &responseBody)
      isBodyLent = false
    }
    responseBody = []
    stream = nil
    notes = RequestNotes()
  }

  private static func empty(_ body: inout [UInt8]) {
    if body.capacity <= keptCapacity { body.removeAll(keepingCapacity: true) } else { body = [] }
  }

  /// An empty body for the response, with room that one before had.
  func lendBody() -> [UInt8] {
    isBodyLent = true
    defer { spareBody = [] }
    return spareBody
  }

  private static let usedTooLate = "an HTTPRequest was used after its response was complete"

  /// The connection, which is gone once the request is completed.
  var connection: MicroHTTPD.Connection {
    guard let liveConnection else {
      preconditionFailure(Self.usedTooLate)
    }
    return liveConnection
  }

  /// The request's headers and query.
  var head: RequestHead {
    precondition(liveConnection != nil, Self.usedTooLate)
    return clientHead
  }

  var isHead: Bool { method == .head }

  /// Whether a body of unknown length is arriving.
  var isChunked: Bool { phase == .receiving && expectedBytes == nil }

  func readHead(_ head: RequestHead) {
    guard let version = client.version else { preconditionFailure("a request has no version") }
    connection.read(head, from: methodText, version: version)
    if method == .other, !FieldBytes.token.containsAll(of: connection.bytes(methodText)) {
      client.targetDefect = "the method is not a token"
    }
  }

  private static let slash: StaticString = "/"

  /// Takes host and path from a target in absolute form, as proxies send it. The `Host` header does
  /// not count then (RFC 9112, section 3.2.2).
  ///
  /// - Returns: why the target is malformed
  func useOriginForm() -> String? {
    let target = connection.bytes(path)
    if target.first == UInt8(ascii: "/") { return nil }
    for scheme in ["http://", "https://"] as [StaticString] {
      let length = scheme.utf8CodeUnitCount
      guard target.count >= length,
        equalsIgnoringASCIICase(
          UnsafeBufferPointer(start: scheme.utf8Start, count: length),
          UnsafeRawBufferPointer(rebasing: target[..<length]))
      else { continue }
      let end = target[length...].firstIndex(of: UInt8(ascii: "/")) ?? target.count
      let host = UnsafeRawBufferPointer(rebasing: target[length..<end])
      guard !host.isEmpty, FieldBytes.host.containsAll(of: host) else {
        return "the target's host is not a host"
      }
      head.setHost(host)
      path =
        end < target.count
        ? path + end : UnsafeRawPointer(Self.slash.utf8Start).assumingMemoryBound(to: CChar.self)
      return nil
    }
    // As in OPTIONS *.
    return target.elementsEqual([UInt8(ascii: "*")])
      ? nil : "the target begins neither with / nor with http:// or https://"
  }

  /// libmicrohttpd is about to free what the connection holds.
  func detach() {
    // Others may hold the record for a while; a long body is freed now. A short one keeps its room for
    // the next request.
    if reservedBytes > 0 || bodyFile != nil { dropBody() }
    liveConnection = nil
  }
}
