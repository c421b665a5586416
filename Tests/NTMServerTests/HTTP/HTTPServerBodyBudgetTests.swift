import Testing

@testable import NTMServer

/// Limits on the request bodies of all connections together, and bodies that no route needs.
extension HTTPServerTests {
  @Test(arguments: ["Content-Length", "chunked"])
  func discardedBodyIsNotKept(_ framing: String) throws {
    try withServer { server, _, port in
      let client = try SocketClient(port: port)
      for size in [1, 1000, EventLoop.mostDiscarded] {
        let response = try client.exchange(
          "POST", "/discarded", framing: framing, body: [UInt8](repeating: 32, count: size))
        #expect(response.status == 200)
        #expect(!response.text.contains("   "))
        #expect(server.bodyBudget?.memory.used == 0)
      }
    }
  }

  @Test func longUnwantedBodyIsRefusedBeforeItArrives() throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      try client.send(
        "POST", "/discarded", headers: [("Content-Length", "\(EventLoop.mostDiscarded + 1)")])
      let response = try client.receive()
      #expect(response.text == "/discarded refused: unwantedBody(limit: 65536)")
      #expect(try client.isClosedByServer())
    }
  }

  @Test func longUnwantedChunkedBodyIsRefusedWhenItExceedsTheLimit() throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      try client.send("POST", "/discarded", headers: [("Transfer-Encoding", "chunked")])
      // The body does not end.
      try client.send(
        Array("20000\r\n".utf8) + [UInt8](repeating: 32, count: EventLoop.mostDiscarded + 1))
      let response = try client.receive()
      #expect(response.text == "/discarded refused: unwantedBody(limit: 65536)")
      #expect(try client.isClosedByServer())
    }
  }

  /// The coding of a discarded body is not checked.
  @Test(arguments: ["gzip", "br"])
  func discardedBodyIsNotUnpacked(_ coding: String) throws {
    try withServer { _, _, port in
      let response = try SocketClient(port: port).exchange(
        "POST", "/discarded", headers: [("Content-Encoding", coding)], body: [1, 2, 3])
      #expect(response.status == 200)
    }
  }

  @Test func bodiesBeyondTheMemoryBudgetAreRefused() throws {
    let options = HTTPServer.Options.testing { $0.maxBodyMemory = 1 << 20 }
    try withServer(options) { server, _, port in
      // Bodies that are not complete hold most of the budget.
      let held = try (0..<3).map { _ in
        let client = try SocketClient(port: port)
        try client.send("POST", "/length", headers: [("Content-Length", "300001")])
        try client.send([UInt8](repeating: 32, count: 300_000))
        return client
      }
      #expect(waitUntil { (server.bodyBudget?.memory.used ?? 0) >= 900_000 })
      let client = try SocketClient(port: port)
      let body = [UInt8](repeating: 32, count: 300_000)
      let refused = try client.exchange("POST", "/length", body: body)
      #expect(refused.status == 503)
      #expect(refused.header("Retry-After") == "1")
      #expect(refused.text == "/length refused: bodiesTooLarge(limit: 1048576)")
      // A short body needs no reservation.
      #expect(try client.exchange("POST", "/length", body: [1, 2, 3]).text == "3")

      // One ends, the others leave.
      try held[0].send([32])
      #expect(try held[0].receive().text == "300001")
      held[1].close()
      held[2].close()
      #expect(waitUntil { server.bodyBudget?.memory.used == 0 })
      #expect(try client.exchange("POST", "/length", body: body).text == "300000")
    }
  }

  @Test func unpackedBodyCountsAgainstTheMemoryBudget() throws {
    let options = HTTPServer.Options.testing { $0.maxBodyMemory = 1 << 20 }
    try withServer(options) { server, _, port in
      let packed = try #require(GzipCompressor().compress([UInt8](repeating: 32, count: 3 << 20)))
      let client = try SocketClient(port: port)
      let refused = try client.exchange(
        "POST", "/length", headers: [("Content-Encoding", "gzip")], body: packed)
      #expect(refused.text == "/length refused: bodiesTooLarge(limit: 1048576)")
      #expect(waitUntil { server.bodyBudget?.memory.used == 0 })
    }
  }

  @Test func spooledBodiesBeyondTheDiskBudgetAreRefused() throws {
    let options = HTTPServer.Options.testing { $0.maxBodyDisk = 1 << 20 }
    try withServer(options) { server, _, port in
      let size = EventLoop.memoryOfSpooled + 900_000
      let held = try SocketClient(port: port)
      try held.send("POST", "/lines", headers: [("Content-Length", "\(size + 1)")])
      try held.send(Self.lines(size))
      #expect(waitUntil { (server.bodyBudget?.disk.used ?? 0) >= 3 * RequestRecord.blockSize })
      let client = try SocketClient(port: port)
      let refused = try client.exchange("POST", "/lines", body: Self.lines(size))
      #expect(refused.status == 503)
      #expect(refused.text.contains("bodyNotStored"))
      held.close()
      #expect(waitUntil { server.bodyBudget?.disk.used == 0 })
      #expect(try client.exchange("POST", "/lines", body: Self.lines(size)).status == 200)
      #expect(waitUntil { server.bodyBudget?.disk.used == 0 })
      #expect(waitUntil { server.bodyBudget?.memory.used == 0 })
    }
  }

  /// Around the ends of the piece that a body begins with, and of the blocks behind it.
  @Test(
    arguments: [
      16_383, 16_384, 16_385, 81_919, 81_920, 81_921, 344_063, 344_064, 344_065, 700_000,
    ],
    ["Content-Length", "chunked", "gzip"])
  func bodyInBlocksArrivesWhole(_ size: Int, _ framing: String) throws {
    try withServer { server, _, port in
      var random = SystemRandomNumberGenerator()
      let body = (0..<size).map { _ in UInt8.random(in: 0...15, using: &random) }
      let client = try SocketClient(port: port)
      for path in ["/x", "/offload"] {
        let response =
          if framing == "gzip" {
            try client.exchange(
              "POST", path, headers: [("Content-Encoding", "gzip")],
              body: try #require(GzipCompressor().compress(body)))
          } else {
            try client.exchange("POST", path, framing: framing, body: body)
          }
        #expect(areEqual(Array(response.body.suffix(size)), body))
      }
      #expect(waitUntil { server.bodyBudget?.memory.used == 0 })
    }
  }

  /// The disk may be slow, so an event loop does not write to it.
  @Test func spooledBodyIsWrittenByWorkers() throws {
    let options = HTTPServer.Options.testing {
      $0.eventLoops = 1
      $0.workers = 1
    }
    try withServer(options) { server, handler, port in
      let working = try SocketClient(port: port)
      try working.send("GET", "/gated")
      handler.begun.pass()
      // More than the sockets hold.
      let body = Self.lines(20 << 20)
      let sent = Monitor(false)
      let uploading = try SocketClient(port: port)
      try uploading.send("POST", "/count", headers: [("Content-Length", "\(body.count)")])
      // The other thread has ended its use when `sent` is true.
      nonisolated(unsafe) let sender = uploading
      try SystemThread {
        try? sender.send(body)
        sent.withLock { $0 = true }
        sent.broadcast()
      }.detach()
      let blocks = EventLoop.memoryOfSpooled + RequestRecord.blockSize
      #expect(waitUntil { (server.bodyBudget?.memory.used ?? 0) > blocks })
      // The only worker is busy: no file is written, and the loop serves others.
      let other = try SocketClient(port: port)
      for _ in 0..<20 { #expect(try other.exchange("GET", "/").status == 200) }
      #expect(server.bodyBudget?.disk.used == 0)
      #expect((server.bodyBudget?.memory.used ?? 0) <= blocks + RequestRecord.blockSize)
      #expect(!sent.withLock { $0 })
      handler.gate.open()
      #expect(sent.wait(until: testDeadline()) { $0 ? true : nil } == true)
      #expect(try uploading.receive().text == "\((20 << 20) / 80)")
      #expect(waitUntil { server.bodyBudget?.disk.used == 0 })
      #expect(waitUntil { server.bodyBudget?.memory.used == 0 })
    }
  }

  /// More uploads at a time than one run of the library receives parts of.
  @Test func manyUploadsArriveWhole() throws {
    let options = HTTPServer.Options.testing { $0.eventLoops = 1 }
    try withServer(options) { server, handler, port in
      // The loop finds all of them at once.
      let holding = try SocketClient(port: port)
      try holding.send("GET", "/held")
      handler.begun.pass()
      let uploads = try (0..<(3 * BodyTurns<RequestRecord>.mostParts)).map { number in
        var random = SystemRandomNumberGenerator()
        let body = (0..<40_000).map { _ in UInt8.random(in: 0...15, using: &random) }
        return (client: try SocketClient(port: port), body: body)
      }
      for upload in uploads {
        try upload.client.send("POST", "/x", headers: [("Content-Length", "40000")])
      }
      for start in stride(from: 0, to: 40_000, by: 20_000) {
        for upload in uploads { try upload.client.send(Array(upload.body[start..<start + 20_000])) }
      }
      handler.gate.open()
      for upload in uploads {
        #expect(areEqual(Array(try upload.client.receive().body.suffix(40_000)), upload.body))
      }
      #expect(waitUntil { server.bodyBudget?.memory.used == 0 })
    }
  }

  /// Returning memory to the system takes long, so an event loop does not do it.
  @Test(arguments: ["/x", "/lines"])
  func droppedBodyIsFreedByWorkers(_ path: String) throws {
    let options = HTTPServer.Options.testing {
      $0.eventLoops = 1
      $0.workers = 1
    }
    try withServer(options) { server, handler, port in
      let working = try SocketClient(port: port)
      try working.send("GET", "/gated")
      handler.begun.pass()
      let uploading = try SocketClient(port: port)
      try uploading.send("POST", path, headers: [("Content-Length", "700001")])
      try uploading.send(Self.lines(700_000))
      #expect(waitUntil { (server.bodyBudget?.memory.used ?? 0) >= 700_000 })
      uploading.close()
      // The loop has noticed the end when it serves the next request.
      let other = try SocketClient(port: port)
      for _ in 0..<20 { #expect(try other.exchange("GET", "/").status == 200) }
      #expect((server.bodyBudget?.memory.used ?? 0) >= 700_000)
      handler.gate.open()
      #expect(waitUntil { server.bodyBudget?.memory.used == 0 })
    }
  }

  /// A worker has the request, so the time limit does not end it.
  @Test func bodyThatWaitsForTheDiskIsNotTooSlow() throws {
    let options = HTTPServer.Options.testing {
      $0.eventLoops = 1
      $0.workers = 1
      $0.requestTimeout = 1
    }
    try withServer(options) { server, handler, port in
      let working = try SocketClient(port: port)
      try working.send("GET", "/gated")
      handler.begun.pass()
      let uploading = try SocketClient(port: port)
      let size = EventLoop.memoryOfSpooled + 2 * RequestRecord.blockSize
      try uploading.send("POST", "/count", headers: [("Content-Length", "\(size)")])
      try uploading.send(Self.lines(size))
      let blocks = EventLoop.memoryOfSpooled + RequestRecord.blockSize
      #expect(waitUntil { (server.bodyBudget?.memory.used ?? 0) > blocks })
      // A request that is too slow by the same limit is ended first.
      let slow = try SocketClient(port: port)
      try slow.send("POST", "/x", headers: [("Content-Length", "5")])
      #expect(try slow.receive().status == 408)
      handler.gate.open()
      #expect(try uploading.receive().status == 200)
    }
  }
}

extension HTTPServerTests {
  fileprivate static func lines(_ size: Int) -> [UInt8] {
    (0..<size).map { $0 % 80 == 79 ? 10 : UInt8(ascii: "x") }
  }
}

extension SocketClient {
  fileprivate func exchange(
    _ method: String, _ target: String, framing: String, body: [UInt8]
  ) throws -> Response {
    guard framing == "chunked" else { return try exchange(method, target, body: body) }
    try send(method, target, headers: [("Transfer-Encoding", "chunked")])
    try send(
      Array("\(String(body.count, radix: 16))\r\n".utf8) + body + Array("\r\n0\r\n\r\n".utf8))
    return try receive()
  }
}
