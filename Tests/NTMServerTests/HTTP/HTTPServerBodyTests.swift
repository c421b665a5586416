import Testing

@testable import NTMServer

/// Request bodies: large, chunked, too large, cut off.
extension HTTPServerTests {
  @Test(arguments: [1, 4095, 4096, 8192, 65_537, 3_000_000])
  func aBodyArrivesWhole(_ count: Int) throws {
    try withServer { _, _, port in
      let body = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      let client = try SocketClient(port: port)
      let response = try client.exchange("POST", "/x", body: body)
      #expect(response.body.suffix(count) == body[...])
      #expect(try client.exchange("GET", "/").status == 200)
    }
  }

  @Test func aLargeResponseArrivesWhole() throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      let response = try client.exchange("GET", "/bytes?n=3000000")
      #expect(response.body.count == 3_000_000)
      #expect(response.body.last == UInt8(truncatingIfNeeded: 2_999_999))
    }
  }

  @Test(arguments: [1, 7, 1000, 20_000])
  func aChunkedBodyArrivesWhole(_ chunk: Int) throws {
    try withServer { _, _, port in
      let body = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      let part = Array(body.prefix(chunk == 1 ? 300 : body.count))
      let client = try SocketClient(port: port)
      try client.send("POST", "/x", headers: [("Transfer-Encoding", "chunked")])
      try client.send(chunked(part, by: chunk))
      #expect(try client.receive().body.suffix(part.count) == part[...])
      #expect(try client.exchange("GET", "/").status == 200)
    }
  }

  @Test func aBodySentByteByByteArrives() throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      for byte in "POST /slow HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello".utf8 {
        try client.send([byte])
      }
      #expect(try client.receive().text.hasSuffix("\nhello"))
    }
  }

  @Test func aBodyOfExactlyTheLimitIsTaken() throws {
    try withServer(.testing { $0.maxBodyBytes = 1000 }) { _, _, port in
      let client = try SocketClient(port: port)
      let body = [UInt8](repeating: 1, count: 1000)
      #expect(try client.exchange("POST", "/length", body: body).text == "1000")
      try client.send("POST", "/length", headers: [("Transfer-Encoding", "chunked")])
      try client.send(chunked(body, by: 300))
      #expect(try client.receive().text == "1000")
    }
  }

  @Test(arguments: ["1001", "18446744073709551615", "9223372036854775808"])
  func aContentLengthOverTheLimitIsRefusedBeforeTheBody(_ length: String) throws {
    try withServer(.testing { $0.maxBodyBytes = 1000 }) { _, handler, port in
      let client = try SocketClient(port: port)
      try client.send("POST", "/x", headers: [("Content-Length", length)])
      let response = try client.receive()
      #expect(response.status == 413)
      #expect(response.header("Connection") == "close")
      #expect(response.text == "/x refused: bodyTooLarge(limit: 1000)")
      #expect(try client.isClosedByServer())
      #expect(handler.completed(count: 1)[0].status == 413)
    }
  }

  @Test func aChunkedBodyOverTheLimitIsRefusedAtItsEnd() throws {
    try withServer(.testing { $0.maxBodyBytes = 1000 }) { _, _, port in
      let client = try SocketClient(port: port)
      try client.send("POST", "/x", headers: [("Transfer-Encoding", "chunked")])
      try client.send(chunked([UInt8](repeating: 1, count: 50_000), by: 700))
      let response = try client.receive()
      #expect(response.status == 413)
      #expect(response.text == "/x refused: bodyTooLarge(limit: 1000)")
      #expect(try client.exchange("GET", "/").status == 200)
    }
  }

  @Test func anEndlessBodyIsCutOff() throws {
    try withServer(.testing { $0.maxBodyBytes = 1000 }) { _, _, port in
      let client = try SocketClient(port: port)
      try client.send("POST", "/x", headers: [("Transfer-Encoding", "chunked")])
      let part = Array("10000\r\n".utf8) + [UInt8](repeating: 1, count: 65_536) + [13, 10]
      #expect(throws: SocketClient.Failure.self) {
        for _ in 0..<1000 { try client.send(part) }
      }
      #expect(try SocketClient(port: port).exchange("GET", "/").status == 200)
    }
  }

  @Test(arguments: [false, true])
  func aClientThatLeavesWithinItsBodyHarmsNobody(byReset: Bool) throws {
    try withServer { server, _, port in
      for _ in 0..<50 {
        let client = try SocketClient(port: port)
        try client.send("POST", "/x", headers: [("Content-Length", "100000")])
        try client.send([UInt8](repeating: 1, count: 5000))
        byReset ? client.reset() : client.close()
      }
      #expect(try SocketClient(port: port).exchange("GET", "/").status == 200)
    }
  }

  @Test func expectContinueIsAnswered() throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      try client.send(
        "POST", "/x", headers: [("Expect", "100-continue"), ("Content-Length", "5")])
      #expect(try client.receive().status == 100)
      try client.send("hello")
      #expect(try client.receive().text.hasSuffix("\nhello"))
    }
  }
}
