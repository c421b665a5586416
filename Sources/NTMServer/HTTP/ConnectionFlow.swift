#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The way of a connection through its event loop: whether it is taken, and how long its requests may
/// take to arrive. All of it runs on the loop's thread.
///
/// libmicrohttpd closes a connection that is silent for too long; one byte in time keeps it open for
/// ever. So the loop looks itself for requests that take too long.
extension EventLoop {
  /// A body gets a second more for so many bytes that have come: a slow line is no attack, but a
  /// trickle is.
  static let bytesPerSecond = 16 << 10

  /// Seconds that a connection beyond the limits has for its first request.
  private static let refusedSeconds = 5

  /// Whether a connection is taken at all. Where it is, `connected` follows at once, unless the
  /// library lacks the memory for it.
  func admits(_ address: NetworkAddress?) -> Bool {
    if let lost = placeTaken { connectionLimits.giveBack(lost) }
    placeTaken = connectionLimits.take(address)
    return placeTaken != nil
  }

  func connected(_ connection: MicroHTTPD.Connection) -> ConnectionRecord {
    guard let place = placeTaken else { preconditionFailure("a connection was not asked for") }
    placeTaken = nil
    let client = ConnectionRecord(
      connection: connection, place: place,
      head: .allocate(parameterLimit: settings.limits.queryParameters),
      now: monotonicNanoseconds())
    clients[ObjectIdentifier(client)] = client
    return client
  }

  func disconnected(_ client: ConnectionRecord) {
    clients[ObjectIdentifier(client)] = nil
    connectionLimits.giveBack(client.place)
  }

  /// Ends the connections whose requests take too long to arrive, or whose clients have left. It looks every eighth of the time
  /// that they have, or every second, which is how exact it is.
  func lookForSlowRequests() {
    let now = monotonicNanoseconds()
    guard now >= nextSlowLook else { return }
    let limit = settings.requestSeconds
    nextSlowLook = now + min(1_000_000_000, UInt64(limit == 0 ? 8 : limit) * 125_000_000)
    for client in clients.values {
      if let request = client.request, request.receivedBytes == 0 {
        // A client that left before the first byte of its body, which nothing else would notice.
        client.connection.socket.noticeEndOfStream()
      }
      let seconds = client.place.refusal == nil ? limit : Self.refusedSeconds
      guard seconds > 0, client.phase != .answer, !client.isPaused else { continue }
      client.look(now)
      guard let since = client.receivingSince else { continue }
      let more = (client.request?.receivedBytes ?? 0) / Self.bytesPerSecond
      if now - since >= UInt64(seconds + more) * 1_000_000_000 {
        cutOff(client, client.place.refusal ?? .requestTimeout(seconds: seconds))
      }
    }
  }

  /// Refuses a request that is not complete, and closes its connection. libmicrohttpd accepts no
  /// response before a request is complete, so this one goes past it.
  func cutOff(_ client: ConnectionRecord, _ refusal: HTTPRefusal) {
    // Before the headers are complete, the request is unknown.
    let request = client.request.map { HTTPRequest($0) } ?? HTTPRequest(method: "", path: "")
    var response = refusal.applied(to: handler.refuse(refusal, request))
    handler.complete(&response, to: request)
    response.headers += [("Connection", "close"), ("Date", httpDate())]
    if let record = client.request {
      record.status = response.status
      record.responseBody = response.body
      record.phase = .answered
    }
    client.isAnswered()
    client.connection.socket.end(with: response.message)
  }
}

extension HTTPResponse {
  /// The whole of it as sent, for what goes past libmicrohttpd.
  fileprivate var message: [UInt8] {
    // The phrase means nothing to a client (RFC 9112, section 4).
    var head = "HTTP/1.1 \(status) \r\n"
    for (name, value) in allHeaders { head += "\(name): \(value)\r\n" }
    return Array("\(head)Content-Length: \(body.count)\r\n\r\n".utf8) + body
  }
}

/// Now, as in a `Date` header.
private func httpDate() -> String {
  var now = time(nil)
  var parts = tm()
  gmtime_r(&now, &parts)
  return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { text in
    // Nobody sets a locale.
    strftime(text.baseAddress!, text.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
    return String(cString: text.baseAddress!)
  }
}
