import Testing

@testable import NTMServer

/// Streaming replies, as the client sees them.
extension HTTPServerTests {
  @Test(arguments: ["/stream", "/streamed-later"])
  func aStreamArrivesAsItIsWritten(_ path: String) throws {
    try withServer { _, handler, port in
      let client = try SocketClient(port: port)
      // On one connection, which is kept.
      for round in 0..<20 {
        try client.send("POST", path, body: Array("x".utf8))
        let stream = try handler.takeStreams()[0]
        let head = try client.receiveHead()
        #expect(head.status == 200)
        #expect(head.header("Content-Type") == "text/plain")
        #expect(head.header("Transfer-Encoding") == "chunked")
        #expect(head.header("Content-Length") == nil)
        // Each part is read before the next is written.
        for number in 0..<5 {
          let part = Array("part \(number) of \(round)\n".utf8)
          #expect(number.isMultiple(of: 2) ? stream.write(part) : stream.offer(part) == .taken)
          #expect(try client.receiveChunks(part.count) == part)
        }
        #expect(!stream.isClosed)
        stream.finish()
        #expect(try client.receiveChunk() == nil)
        #expect(!stream.write([1]))
        #expect(stream.offer([1]) == .closed)
      }
      let completions = handler.completed(count: 20)
      #expect(completions.count == 20)
      #expect(completions.allSatisfy { $0.status == 200 && $0.path == path })
      #expect(completions[0].responseBytes == 5 * "part 0 of 0\n".utf8.count)
      #expect(try client.exchange("GET", "/").status == 200)
    }
  }

  @Test func aStreamMayEndBeforeItIsRead() throws {
    try withServer { _, handler, port in
      let client = try SocketClient(port: port)
      for length in [0, 1, 100, 4096, 65_536, 300_000] {
        try client.send("GET", "/stream")
        let stream = try handler.takeStreams()[0]
        let body = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        #expect(stream.write(body))
        #expect(stream.write([]))
        stream.finish()
        let response = try client.receive()
        #expect(areEqual(response.body, body))
      }
      let sizes = handler.completed(count: 6).map(\.responseBytes)
      #expect(sizes == [0, 1, 100, 4096, 65_536, 300_000])
    }
  }

  @Test(arguments: ["aborted", "dropped"])
  func aStreamThatIsBrokenOffHasNoLastChunk(_ how: String) throws {
    try withServer { _, handler, port in
      for written in [0, 10, 50_000] {
        let client = try SocketClient(port: port)
        try client.send("GET", "/stream")
        var stream: HTTPBodyStream? = try handler.takeStreams()[0]
        #expect(try client.receiveHead().status == 200)
        #expect(stream!.write([UInt8](repeating: 7, count: written)))
        if how == "aborted" { stream!.abort() }
        stream = nil
        #expect(try client.receiveChunks(written).count == written)
        #expect(throws: SocketClient.Failure.self) { try client.receiveChunk() }
      }
      #expect(handler.completed(count: 3).map(\.responseBytes) == [0, 10, 50_000])
      #expect(try SocketClient(port: port).exchange("GET", "/").status == 200)
    }
  }

  @Test(arguments: ["", "Connection: keep-alive\r\n"])
  func anHTTP10StreamEndsWithItsConnection(_ header: String) throws {
    try withServer { _, handler, port in
      let client = try SocketClient(port: port)
      try client.send("GET /stream HTTP/1.0\r\nHost: test\r\n\(header)\r\n")
      let stream = try handler.takeStreams()[0]
      let head = try client.receiveHead()
      #expect(head.status == 200)
      #expect(head.header("Transfer-Encoding") == nil)
      #expect(head.header("Content-Length") == nil)
      #expect(stream.write(Array("one\n".utf8)))
      #expect(stream.write(Array("two\n".utf8)))
      stream.finish()
      #expect(try client.receiveRest() == Array("one\ntwo\n".utf8))
      #expect(handler.completed(count: 1)[0].responseBytes == 8)
    }
  }

  @Test func headOfAStreamDoesNotBeginIt() throws {
    try withServer { _, handler, port in
      let client = try SocketClient(port: port)
      let head = try client.exchange("HEAD", "/stream")
      #expect(head.status == 200)
      #expect(head.header("Content-Type") == "text/plain")
      #expect(head.header("Connection") == "close")
      // Not even the last chunk.
      #expect(try client.isClosedByServer())
      #expect(handler.streams.withLock { $0.isEmpty })
      #expect(handler.completed(count: 1)[0].responseBytes == 0)
    }
  }

  /// Pipelined requests wait behind a stream and are not lost by its suspensions.
  @Test func aRequestBehindAStreamIsAnsweredAfterIt() throws {
    try withServer { _, handler, port in
      let client = try SocketClient(port: port)
      try client.send("GET", "/stream")
      try client.send("POST", "/", body: Array("behind".utf8))
      let stream = try handler.takeStreams()[0]
      _ = try client.receiveHead()
      for number in 0..<3 {
        #expect(stream.write(Array("\(number)".utf8)))
        #expect(try client.receiveChunks(1) == Array("\(number)".utf8))
      }
      stream.finish()
      #expect(try client.receiveChunk() == nil)
      #expect(try client.receive().text.hasSuffix("\nbehind"))
    }
  }

  @Test func aStreamThatWaitsForItsProducerIsNotIdle() throws {
    try withServer(.testing { $0.idleTimeout = 1 }) { _, handler, port in
      let client = try SocketClient(port: port)
      try client.send("GET", "/stream")
      let stream = try handler.takeStreams()[0]
      #expect(try client.receiveHead().status == 200)
      for _ in 0..<2 {
        pause(milliseconds: 2500)
        #expect(stream.write([7]))
        #expect(try client.receiveChunks(1) == [7])
      }
      stream.finish()
      #expect(try client.receiveChunk() == nil)
    }
  }
}
