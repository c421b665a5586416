import Testing

@testable import NTMServer

/// Offloaded work, and many connections at once.
extension HTTPServerTests {
  @Test func offloadedWorkIsAnswered() throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      for number in 0..<300 {
        let body = Array("work \(number)".utf8)
        let response = try client.exchange(
          "POST", "/offload?q=1", headers: [("X-Test", "2")], body: body)
        #expect(
          response.text == "POST /offload\nq=1\nx-test=2\nfrom=127.0.0.1\nwork \(number)")
      }
    }
  }

  @Test func muchOffloadedWorkAtOnceIsAnswered() throws {
    try withServer(.testing { $0.maxQueuedWork = 1000 }) { _, handler, port in
      let clients = try (0..<200).map { _ in try SocketClient(port: port) }
      for (number, client) in clients.enumerated() {
        try client.send("POST", "/gated", body: Array("work \(number)".utf8))
      }
      // While all of that waits, the loops serve others.
      let other = try SocketClient(port: port)
      for _ in 0..<100 { #expect(try other.exchange("GET", "/").status == 200) }
      handler.gate.open()
      for (number, client) in clients.enumerated() {
        #expect(try client.receive().text.hasSuffix("\nwork \(number)"))
      }
    }
  }

  @Test func workOverTheQueueIsRefused() throws {
    try withServer(
      .testing {
        $0.workers = 1
        $0.maxQueuedWork = 2
      }
    ) { _, handler, port in
      let working = try SocketClient(port: port)
      try working.send("GET", "/gated")
      handler.begun.pass()
      // The one worker is held; of the others two wait, the rest is refused.
      let clients = try (0..<10).map { _ in try SocketClient(port: port) }
      for client in clients { try client.send("GET", "/gated") }
      #expect(handler.completed(count: 8).allSatisfy { $0.status == 503 })
      handler.gate.open()
      let responses = try clients.map { try $0.receive() }
      #expect(try working.receive().status == 200)
      let refused = responses.filter { $0.status == 503 }
      #expect(refused.count == 8)
      for response in refused {
        #expect(response.header("Retry-After") == "1")
        #expect(response.text == "/gated refused: overloaded(retryAfterSeconds: 1)")
      }
      // A refusal doesn't cost the connection.
      for client in clients { #expect(try client.exchange("GET", "/").status == 200) }
    }
  }

  @Test(arguments: [false, true])
  func aClientThatLeavesDuringItsWorkHarmsNobody(byReset: Bool) throws {
    try withServer { server, handler, port in
      for number in 0..<50 {
        let client = try SocketClient(port: port)
        try client.send("POST", "/gated", body: Array("work".utf8))
        // A reset throws away what the server hasn't read yet: the first one at least is read.
        if number == 0 { handler.begun.pass() }
        byReset ? client.reset() : client.close()
      }
      #expect(try SocketClient(port: port).exchange("GET", "/").status == 200)
      handler.gate.open()
      #expect(try SocketClient(port: port).exchange("GET", "/offload").status == 200)
      // Nothing of them is left behind.
      #expect(server.stop(drainTimeout: .seconds(30)) == .drained)
    }
  }

  @Test func aClientThatHasFinishedSendingIsStillAnswered() throws {
    try withServer { _, _, port in
      let client = try SocketClient(port: port)
      try client.send("POST", "/x", body: Array("last".utf8))
      client.finishSending()
      #expect(try client.receive().text.hasSuffix("\nlast"))
    }
  }

  /// libmicrohttpd's own threads stall when a multiple of 128 connections is ready at once.
  @Test(arguments: [128, 512], ["/", "/offload"])
  func manyConnectionsAtOnceAreAllAnswered(_ count: Int, _ path: String) throws {
    try withServer(.testing { $0.maxQueuedWork = 1000 }) { _, _, port in
      let clients = try (0..<count).map { _ in try SocketClient(port: port) }
      for round in 0..<5 {
        for (number, client) in clients.enumerated() {
          try client.send("POST", path, body: Array("\(round) of \(number)".utf8))
        }
        for (number, client) in clients.enumerated() {
          let response = try client.receive()
          #expect(response.status == 200)
          #expect(response.text.hasSuffix("\n\(round) of \(number)"))
        }
      }
    }
  }
}
