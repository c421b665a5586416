import Testing

@testable import NTMServer

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Requests that arrive too slowly. The connections are never silent: what the idle timeout is for is
/// not what ends them.
extension HTTPServerTests {
  private static let options = HTTPServer.Options.testing {
    $0.eventLoops = 1
    $0.requestTimeout = 1
  }

  @Test(arguments: [
    (name: "a request line", start: "", path: ""),
    (name: "headers", start: "POST /x HTTP/1.1\r\nHost: test\r\nX-Slow: ", path: ""),
    (
      name: "a body",
      start: "POST /x HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n", path: "/x"
    ),
    (
      name: "a chunk",
      start: "POST /x HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
      path: "/x"
    ),
  ])
  func aRequestThatTricklesIsCutOff(
    _ slow: (name: String, start: String, path: String)
  ) throws {
    try withServer(Self.options) { _, handler, port in
      for isFirst in [true, false] {
        let client = try SocketClient(port: port)
        if !isFirst { #expect(try client.exchange("GET", "/").status == 200) }
        try client.send(slow.start)
        let response = try trickle(client)
        #expect(response.status == 408)
        #expect(response.text == "\(slow.path) refused: requestTimeout(seconds: 1)")
        #expect(response.header("Connection") == "close")
        #expect(response.header("Date") != nil)
        #expect(try client.isClosedByServer())
      }
      // Only what had a request is answered as one.
      let statuses = handler.completed(count: slow.path.isEmpty ? 1 : 3).map(\.status)
      #expect(statuses == (slow.path.isEmpty ? [200] : [408, 200, 408]))
    }
  }

  /// Neither a connection between requests, nor an answer that takes long, nor a body that comes in
  /// good time.
  @Test func othersAreNotCutOff() throws {
    try withServer(Self.options) { _, handler, port in
      let fresh = try SocketClient(port: port)
      let idle = try SocketClient(port: port)
      #expect(try idle.exchange("GET", "/").status == 200)
      let working = try SocketClient(port: port)
      try working.send("GET", "/gated")
      handler.begun.pass()
      let streaming = try SocketClient(port: port)
      try streaming.send("GET", "/stream")
      let stream = try handler.takeStreams()[0]
      let sending = try SocketClient(port: port)
      // A hundred seconds more.
      let body = [UInt8](repeating: 1, count: 100 * EventLoop.bytesPerSecond)
      try sending.send("POST", "/length", headers: [("Content-Length", "\(body.count + 1)")])
      try sending.send(body)
      // The time of three requests.
      for _ in 0..<3 {
        let slow = try SocketClient(port: port)
        #expect(try trickle(slow).status == 408)
      }
      #expect(try fresh.exchange("GET", "/").status == 200)
      #expect(try idle.exchange("GET", "/").status == 200)
      handler.gate.open()
      #expect(try working.receive().status == 200)
      stream.finish()
      #expect(try streaming.receive().status == 200)
      try sending.send([1])
      #expect(try sending.receive().text == "\(body.count + 1)")
    }
  }

  /// Sends a byte from time to time until there is an answer.
  private func trickle(_ client: SocketClient) throws -> SocketClient.Response {
    for _ in 0..<(SocketClient.timeoutSeconds * 20) {
      // The server may have closed the connection: what it has said is still there.
      try? client.send("x")
      if client.hasInput(within: 50) { return try client.receive() }
    }
    throw SocketClient.Failure.timedOut
  }
}
