import Testing

@testable import NTMServer

/// Requests and connections at the limits of what the server takes.
extension HTTPServerTests {
  @Test func connectionsAreTakenAgainWhenAFullServerHasRoom() throws {
    let options = HTTPServer.Options.testing {
      $0.eventLoops = 1
      $0.maxConnections = 4
    }
    try withServer(options) { _, _, port in
      for _ in 0..<3 {
        let clients = try (0..<4).map { _ in try SocketClient(port: port) }
        for client in clients {
          let status = try client.exchange("GET", "/").status
          #expect(status == 200)
        }
        // All at once: the room is made within one run of the loop.
        for client in clients { client.close() }
      }
      let status = try SocketClient(port: port).exchange("GET", "/").status
      #expect(status == 200)
    }
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

  @Test func manyQueryParametersAreRefused() throws {
    try withServer { _, _, port in
      let query = String(repeating: "a&", count: 115)
      let status = try SocketClient(port: port).exchange("GET", "/?\(query)").status
      #expect(status == 431)
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
