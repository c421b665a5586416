/// What is kept of one connection from its beginning to its end. It belongs to the thread of its
/// event loop.
final class ConnectionRecord {
  /// What the server waits for.
  enum Phase {
    /// The rest of a request's headers, if any of it is there.
    case headers
    /// The rest of its body.
    case body
    /// Its own answer.
    case answer
  }

  let connection: MicroHTTPD.Connection
  let place: ConnectionLimits.Place
  /// The request line is longer than can be taken. libmicrohttpd learns of it before the headers.
  var targetRefusal: HTTPRefusal?
  /// Where the request target ends, and why it is malformed.
  var targetEnd: UnsafePointer<CChar>?
  var targetDefect: String?
  /// The version of HTTP, which follows the target.
  var version: UnsafePointer<CChar>?
  /// Of the present request.
  let head: RequestHead

  private(set) var phase = Phase.headers
  /// When the first byte of the present request was noticed (monotonic nanoseconds); nil if there is
  /// none.
  private(set) var receivingSince: UInt64?
  /// What the client had sent when it was looked at last; nil at the begin of a wait.
  private var bytesSeen: UInt64? = 0
  /// Bytes that the library had read of the client when it gave the last part of a chunked body to
  /// us; nil if the system does not say.
  private(set) var readAtLastPart: UInt64?
  /// Whether the connection is suspended while its body is arriving, because a worker has the request.
  var isPaused = false
  /// The request whose body is arriving.
  private(set) unowned(unsafe) var request: RequestRecord?

  init(
    connection: MicroHTTPD.Connection, place: ConnectionLimits.Place, head: RequestHead, now: UInt64
  ) {
    self.connection = connection
    self.place = place
    self.head = head
    // One that is only there to be refused has no time to wait.
    if place.refusal != nil { receivingSince = now }
  }

  deinit { head.deallocate() }

  func receivesBody(of request: RequestRecord) {
    phase = .body
    readAtLastPart = nil
    receivingSince = receivingSince ?? request.started
    self.request = request
  }

  /// Whether a request line has come, and the rest of its head has not.
  var isReceivingHeaders: Bool { phase == .headers && targetEnd != nil }

  /// A part of a chunked body is here.
  func receivesPart() { readAtLastPart = connection.socket.readBytes }

  func isAnswered() {
    phase = .answer
    request = nil
  }

  /// The answer is complete: another request may come.
  func waits() {
    phase = .headers
    isPaused = false
    receivingSince = nil
    bytesSeen = nil
    targetEnd = nil
    request = nil
  }

  /// Notices the first byte of a request, which libmicrohttpd doesn't tell.
  func look(_ now: UInt64) {
    guard phase == .headers, receivingSince == nil, let received = connection.socket.receivedBytes
    else { return }
    if let bytesSeen, received > bytesSeen { receivingSince = now }
    bytesSeen = received
  }
}
