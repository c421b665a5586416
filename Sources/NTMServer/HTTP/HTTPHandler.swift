/// What turns requests into responses. One handler serves all event loops at the same time.
protocol HTTPHandler: Sendable {
  /// Called on an event loop with a complete request. Whatever takes long (some hundred
  /// microseconds) goes into `.offload`: until this returns, no other connection of the loop is
  /// served.
  func handle(_ request: HTTPRequest) -> HTTPOutcome

  /// Called on an event loop when the headers of a request that has a body are here.
  ///
  /// - Returns: an answer where the body is not worth waiting for; the connection is closed then
  func admit(_ request: HTTPRequest) -> HTTPResponse?

  /// Whether a request is handled even while the server stops. Asked on an event loop, then.
  func isAnsweredWhileStopping(_ request: HTTPRequest) -> Bool

  /// Called once with every response before it is sent, refusals and the heads of streams included,
  /// on the thread that the request belongs to: the place for what all have.
  func complete(_ response: inout HTTPResponse, to request: HTTPRequest)

  /// How much of a body is taken, and where to. Called on an event loop when the headers of a
  /// request that has a body are here. What is not said here is in memory, up to the server's
  /// `maxBodyBytes`.
  func bodyLimit(for request: HTTPRequest) -> HTTPBodyLimit

  /// The response to a request that the transport itself refuses. Its status and the headers that
  /// the refusal needs (`Connection`, `Retry-After`, `Accept-Encoding`) are set afterwards, so that
  /// only the body and its type are left to say; for `unwantedBody`, the handler chooses the status. The body of such a request is empty; one whose
  /// headers did not come has no method and no path either.
  func refuse(_ refusal: HTTPRefusal, _ request: HTTPRequest) -> HTTPResponse

  /// Called on an event loop once for every request that was answered, when its response has been
  /// handed to the kernel or the connection broke over it.
  ///
  /// - Parameters:
  ///   - responseBytes: length of the body sent, 0 for HEAD; of a stream what was handed to
  ///     libmicrohttpd.
  ///   - duration: monotonic nanoseconds from the end of the request's headers to this call.
  func completed(_ request: HTTPRequest, status: Int, responseBytes: Int, duration: UInt64)
}

extension HTTPHandler {
  func admit(_ request: HTTPRequest) -> HTTPResponse? { nil }
  func isAnsweredWhileStopping(_ request: HTTPRequest) -> Bool { false }
  func complete(_ response: inout HTTPResponse, to request: HTTPRequest) {}
}

enum HTTPOutcome: Sendable {
  case respond(HTTPResponse)
  /// Work too long for an event loop. It runs on a worker thread while the connection is suspended;
  /// the request may be used in it. A client that leaves meanwhile is noticed only afterwards: the
  /// work is not interrupted.
  case offload(@Sendable () -> HTTPResponse)
  /// An answer that somebody gives from any thread, without a worker that waits for it. The closure
  /// is called at once, on the event loop, and keeps the completion, or answers through it. The
  /// connection is suspended as for `.offload`, and the same goes for a client that leaves.
  case later(@Sendable (HTTPCompletion) -> Void)
  /// A body that is made while it is sent.
  case stream(HTTPStreamReply)
}

/// Why the transport refuses a request before the handler sees it, or before its work has begun.
enum HTTPRefusal: Error, Equatable {
  /// The body is longer than `limit` bytes.
  case bodyTooLarge(limit: Int)
  /// A body longer than `limit` bytes, for a request that has no use for one.
  case unwantedBody(limit: Int)
  /// The headers leave no room in the connection's memory for a reply.
  case headersTooLarge
  /// The request target is longer than `limit` bytes.
  case targetTooLong(limit: Int)
  /// The query has more than `limit` parameters.
  case tooManyParameters(limit: Int)
  /// The host is missing or said twice, the body's length is said in two ways or by a transfer
  /// coding that is not known, or the body can't be unpacked.
  case malformed(reason: String)
  /// The body is packed in a way that is not known.
  case unsupportedCoding(String)
  /// The request took longer than so many seconds to arrive.
  case requestTimeout(seconds: Int)
  /// More than `limit` connections are open.
  case tooManyConnections(limit: Int)
  /// More than `limit` connections of the client's address are open.
  case tooManyConnectionsOfAddress(limit: Int)
  /// The body can't be written to disk. `isFull`: for lack of space.
  case bodyNotStored(reason: String, isFull: Bool)
  /// The body needs `bytes` of memory to be parsed; all bodies together may use `limit`.
  case bodyTooComplex(bytes: Int, limit: Int)
  /// Bodies use `limit` bytes of memory, which is all that they may.
  case bodiesTooLarge(limit: Int)
  /// The server is stopping.
  case draining
  /// All workers are busy and their queue is full.
  case overloaded(retryAfterSeconds: Int)
  /// Whoever was to answer has given it up: a bug.
  case unanswered

  var status: Int {
    switch self {
    case .malformed: 400
    case .requestTimeout: 408
    case .bodyTooLarge, .unwantedBody, .bodyTooComplex: 413
    case .targetTooLong, .tooManyParameters: 414
    case .unsupportedCoding: 415
    case .tooManyConnectionsOfAddress: 429
    case .headersTooLarge: 431
    case .unanswered, .bodyNotStored(_, isFull: false): 500
    case .bodyNotStored, .bodiesTooLarge, .draining, .overloaded, .tooManyConnections: 503
    }
  }

  /// The handler's response, with what the refusal itself demands.
  func applied(to response: HTTPResponse) -> HTTPResponse {
    var response = response
    // There may be a better reason than the body's length, such as a wrong path.
    if case .unwantedBody = self {} else { response.status = status }
    switch self {
    case .bodyNotStored(_, isFull: true), .bodiesTooLarge, .draining, .tooManyConnections,
      .tooManyConnectionsOfAddress:
      response.setRetryAfter(1)
    case .overloaded(let seconds): response.setRetryAfter(seconds)
    // RFC 7694.
    case .unsupportedCoding: response.headers.append(("Accept-Encoding", "gzip"))
    case .bodyTooLarge, .unwantedBody, .bodyTooComplex, .headersTooLarge, .targetTooLong,
      .tooManyParameters, .malformed,
      .requestTimeout, .unanswered, .bodyNotStored:
      break
    }
    return response
  }
}

extension HTTPResponse {
  /// The handler may have set the header already.
  fileprivate mutating func setRetryAfter(_ seconds: Int) {
    headers.removeAll { $0.name == "Retry-After" }
    headers.append(("Retry-After", "\(seconds)"))
  }
}
