#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What is kept of one request of a live connection, from the end of its headers until its
/// completion. It is the only allocation that every request makes.
///
/// `@unchecked Sendable`: a record belongs to one thread at a time. It belongs to its event loop,
/// except while its connection is suspended: then to the worker that runs its work, or to whoever
/// holds its completion. A worker gets it through the pool's lock and gives it back through
/// `EventLoop.finish`, whose lock, and libmicrohttpd's own in resuming, order the worker's writes
/// before the loop's reads. A completion is finished through the same.
final class RequestRecord: @unchecked Sendable {
  enum Phase {
    /// Headers are here, the body is arriving.
    case receiving
    /// The connection is suspended, for a worker or a completion; `reply` is set before it is
    /// resumed.
    case suspended
    /// `response` has been queued and is not changed any more. The connection of a stream may be
    /// suspended again; `stream` guards itself.
    case answered
  }

  private var liveConnection: MicroHTTPD.Connection?
  /// Of the loop's thread alone. Not counted: a connection outlives its requests.
  unowned(unsafe) let client: ConnectionRecord
  /// Zero-terminated, in the connection's memory: valid while the connection is.
  let method: UnsafePointer<CChar>
  let path: UnsafePointer<CChar>
  let hasQuery: Bool
  /// Every version but HTTP/1.0 must name its host.
  let needsHost: Bool
  /// Monotonic nanoseconds.
  let started: UInt64
  /// Not counted: every record is completed before its loop ends.
  unowned(unsafe) let loop: EventLoop

  var phase = Phase.receiving
  /// The body, or its first part if there is a file.
  var body: [UInt8] = []
  /// The rest of a spooled body.
  var bodyFile: BodyFile?
  var isSpooled = false
  var bodyLimit = 0
  /// Unpacks the body; nil where it isn't packed.
  var decompressor: GzipDecompressor?
  /// The body's length by its `Content-Length`; nil if there is none, as for a chunked body.
  var expectedBytes: Int?
  /// Of the body as sent, what was dropped included.
  var receivedBytes = 0
  /// Of the body itself, as far as it is taken.
  var bodyBytes = 0
  /// Why the body is not kept; it is read to its end before this is said.
  var bodyRefusal: HTTPRefusal?
  /// What the end of a suspension brings.
  var reply: HTTPReply?
  /// Whether it was decided how the reply is packed.
  var isEncoded = false
  /// What is answered; of a stream all but the body.
  var response: HTTPResponse?
  var stream: StreamBuffer?
  var notes = RequestNotes()

  init(
    connection: MicroHTTPD.Connection, client: ConnectionRecord, method: UnsafePointer<CChar>,
    path: UnsafePointer<CChar>, needsHost: Bool, loop: EventLoop
  ) {
    liveConnection = connection
    self.client = client
    self.method = method
    self.path = path
    hasQuery = client.hasQuery
    self.needsHost = needsHost
    self.loop = loop
    started = monotonicNanoseconds()
  }

  /// The connection, which is gone once the request is completed.
  var connection: MicroHTTPD.Connection {
    guard let liveConnection else {
      preconditionFailure("an HTTPRequest was used after its response was complete")
    }
    return liveConnection
  }

  var isHead: Bool { strcmp(method, "HEAD") == 0 }

  func dropBody() {
    body = []
    bodyFile = nil
    decompressor = nil
  }

  /// libmicrohttpd is about to free what the connection holds.
  func detach() {
    // Others may hold the record for a while; its file is closed now.
    bodyFile = nil
    liveConnection = nil
  }
}
