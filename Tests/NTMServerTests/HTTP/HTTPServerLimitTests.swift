import Testing

@testable import NTMServer

/// Requests and connections at the limits of what the server takes.
extension HTTPServerTests {
  @Test(arguments: [1, 2])
  func aConnectionOverTheLimitIsRefusedUntilThereIsRoom(_ eventLoops: Int) throws {
    let options = HTTPServer.Options.testing {
      $0.eventLoops = eventLoops
      $0.maxConnections = 4
    }
    try withServer(options) { _, _, port in
      for _ in 0..<3 {
        // Those of the round before may still be there.
        let clients = try (0..<4).map { _ in try connected(port) }
        let late = try SocketClient(port: port)
        let refused = try late.exchange("GET", "/")
        #expect(refused.status == 503)
        #expect(refused.text == "/ refused: tooManyConnections(limit: 4)")
        #expect(refused.header("Retry-After") == "1")
        #expect(try late.isClosedByServer())
        for client in clients {
          let status = try client.exchange("GET", "/").status
          #expect(status == 200)
        }
        // All at once: the room is made within one run of the loop.
        for client in clients { client.close() }
      }
    }
  }

  @Test func aConnectionOverTheLimitOfItsAddressIsRefused() throws {
    try withServer(.testing { $0.maxConnectionsPerAddress = 2 }) { _, _, port in
      let clients = try (0..<2).map { _ in try connected(port) }
      let late = try SocketClient(port: port)
      let refused = try late.exchange("GET", "/x")
      #expect(refused.status == 429)
      #expect(refused.text == "/x refused: tooManyConnectionsOfAddress(limit: 2)")
      #expect(refused.header("Retry-After") == "1")
      #expect(try late.isClosedByServer())
      clients[0].close()
      _ = try connected(port)
    }
  }

  /// Connections that are there only to be refused have a limit too.
  @Test func connectionsFarOverTheLimitAreClosedAtOnce() throws {
    let options = HTTPServer.Options.testing {
      $0.eventLoops = 1
      $0.maxConnections = 1
    }
    try withServer(options) { _, _, port in
      let client = try connected(port)
      let late = try (0..<(3 * ConnectionLimits.refused)).map { _ in try SocketClient(port: port) }
      // The others wait for a request, or have waited long enough for it.
      let closed = try late.filter { try $0.isClosedByServer() }
      #expect(!closed.isEmpty)
      #expect(closed.count < late.count)
      #expect(try client.exchange("GET", "/").status == 200)
    }
  }

  /// A connection that is served, once there is room for it.
  private func connected(_ port: Int) throws -> SocketClient {
    for _ in 0..<10_000 {
      let client = try SocketClient(port: port)
      if let response = try? client.exchange("GET", "/"), response.status == 200 { return client }
    }
    throw SocketClient.Failure.timedOut
  }

  /// A request is refused before the handler sees it, or is answered: never applied in silence.
  @Test(arguments: Array(stride(from: 5000, through: 7850, by: 50)))
  func headersThatFillTheMemoryAreNotAppliedInSilence(_ length: Int) throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      try client.send("GET", "/", headers: [("X-Long", String(repeating: "a", count: length))])
      let status = try client.receive().status
      #expect(status == 200 || status == 431, "\(status)")
    }
  }

  /// libmicrohttpd itself would leave the client without an answer from about 125 on.
  @Test(arguments: [33, 115, 130, 500, 2000])
  func manyQueryParametersAreRefused(_ count: Int) throws {
    try withServer { _, _, port in
      let query = Array(repeating: "a", count: count).joined(separator: "&")
      for target in ["/x?\(query)", "/\(String(repeating: "x", count: 3900))?a&\(query)"] {
        let response = try SocketClient(port: port).exchange("GET", target)
        #expect(response.status == 414)
        #expect(response.header("Connection") == "close")
      }
    }
  }

  @Test func asManyQueryParametersAsAllowedAreTaken() throws {
    try withServer { _, _, port in
      let query = String(repeating: "a=b&", count: 31) + "q=last"
      let path = "/" + String(repeating: "x", count: 4096 - query.utf8.count - 2)
      let client = try SocketClient(port: port)
      let response = try client.exchange("GET", "\(path)?\(query)")
      #expect(response.text.hasPrefix("GET \(path)\nq=last\n"))
      #expect(try client.exchange("GET", "/?\(query)&more").text.hasPrefix("/ refused: tooMany"))
    }
  }

  @Test(arguments: [(4096, 200), (4097, 414), (6000, 414)])
  func aLongTargetIsRefused(_ length: Int, _ status: Int) throws {
    try withServer { _, handler, port in
      for target in [
        "/" + String(repeating: "a", count: length - 1),
        "/?q=" + String(repeating: "a", count: length - 4),
      ] {
        let client = try SocketClient(port: port)
        let response = try client.exchange("GET", target)
        #expect(response.status == status)
        if status == 414 {
          #expect(response.text.hasSuffix("refused: targetTooLong(limit: 4096)"))
          #expect(try client.isClosedByServer())
        }
      }
      #expect(handler.completed(count: 2).map(\.status) == [status, status])
    }
  }

  @Test(arguments: [
    (name: "none", request: "GET / HTTP/1.1\r\n\r\n", status: 400),
    (name: "none but others", request: "GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", status: 400),
    (name: "two", request: "GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n", status: 400),
    (name: "a path", request: "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", status: 400),
    (name: "two in one", request: "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", status: 400),
    (name: "a user", request: "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", status: 400),
    (name: "an empty one", request: "GET / HTTP/1.1\r\nHost:\r\n\r\n", status: 200),
    (name: "IPv6", request: "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", status: 200),
    (name: "none of an old client", request: "GET / HTTP/1.0\r\n\r\n", status: 200),
    (
      name: "two of an old client",
      request: "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", status: 400
    ),
  ])
  func aRequestNamesItsHost(_ host: (name: String, request: String, status: Int)) throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      try client.send(host.request)
      let response = try client.receive()
      #expect(response.status == host.status)
      if host.status == 400 { #expect(try client.isClosedByServer()) }
    }
  }

  @Test(arguments: [
    (name: "two lengths", headers: "Content-Length: 2\r\nContent-Length: 3"),
    (name: "another coding", headers: "Transfer-Encoding: gzip, chunked"),
    (name: "a length beside chunks", headers: "Content-Length: 2\r\nTransfer-Encoding: chunked"),
  ])
  func doubtfulFramingIsRefused(_ request: (name: String, headers: String)) throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      try client.send("POST /x HTTP/1.1\r\nHost: test\r\n\(request.headers)\r\n\r\n{}")
      let status = try client.receive().status
      #expect(status == 400)
    }
  }

  /// The header alone makes no memory of it.
  @Test func aHugeLengthReservesLittle() throws {
    try withServer(.testing { $0.maxBodyBytes = 1 << 40 }) { _, _, port in
      let client = try SocketClient(port: port)
      try client.send("POST /x HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000000000\r\n\r\n{}")
      client.close()
      let status = try SocketClient(port: port).exchange("GET", "/").status
      #expect(status == 200)
    }
  }
}
