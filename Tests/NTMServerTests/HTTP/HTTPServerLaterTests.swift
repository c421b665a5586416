import Testing

@testable import NTMServer

/// Answers that somebody gives later, without a worker that waits for them.
extension HTTPServerTests {
  @Test func aLaterAnswerMayComeAtOnce() throws {
    try withServer { _, handler, port in
      let client = try SocketClient(port: port)
      for number in 0..<300 {
        let response = try client.exchange("POST", "/later", body: Array("n\(number)".utf8))
        #expect(response.text == "POST /later\nq=nil\nx-test=nil\nfrom=127.0.0.1\nn\(number)")
      }
      let head = try client.exchange("HEAD", "/later")
      #expect(head.status == 200)
      let completions = handler.completed(count: 301)
      #expect(completions.count == 301)
      #expect(completions.allSatisfy { $0.status == 200 })
    }
  }

  /// Far more than workers and their queue.
  @Test func manyLaterAnswersTakeNoWorker() throws {
    let options = HTTPServer.Options.testing {
      $0.workers = 1
      $0.maxQueuedWork = 1
    }
    try withServer(options) { _, handler, port in
      let clients = try (0..<200).map { _ in try SocketClient(port: port) }
      for (number, client) in clients.enumerated() {
        try client.send("POST", "/kept", body: Array("work \(number)".utf8))
      }
      let kept = handler.takeKept(count: clients.count)
      #expect(kept.count == clients.count)
      // The loops and the worker serve others meanwhile.
      #expect(try SocketClient(port: port).exchange("GET", "/offload").status == 200)
      // From several threads, and the last first.
      let parts = stride(from: 0, to: kept.count, by: 50).map { kept[$0..<$0 + 50] }
      _ = try onThreads(parts.count) { index in
        for (request, completion) in parts[index].reversed() {
          completion.finish(TestHandler.echo(request))
        }
      }
      for (number, client) in clients.enumerated() {
        #expect(try client.receive().text.hasSuffix("\nwork \(number)"))
        #expect(try client.exchange("GET", "/").status == 200)
      }
    }
  }

  @Test(arguments: [false, true])
  func aDroppedCompletionAnswers500(afterwards: Bool) throws {
    try withServer { _, handler, port in
      let client = try SocketClient(port: port)
      try client.send("GET", afterwards ? "/kept" : "/dropped")
      if afterwards { #expect(handler.takeKept(count: 1).count == 1) }
      let response = try client.receive()
      #expect(response.status == 500)
      #expect(response.text.hasSuffix("refused: unanswered"))
      #expect(handler.completed(count: 1)[0].status == 500)
      #expect(try client.exchange("GET", "/").status == 200)
    }
  }

  @Test(arguments: [false, true])
  func aClientThatLeavesBeforeItsLaterAnswerHarmsNobody(byReset: Bool) throws {
    try withServer { server, handler, port in
      let clients = try (0..<20).map { _ in try SocketClient(port: port) }
      for client in clients { try client.send("GET", "/kept") }
      let kept = handler.takeKept(count: clients.count)
      for client in clients { byReset ? client.reset() : client.close() }
      for (request, completion) in kept { completion.finish(TestHandler.echo(request)) }
      #expect(try SocketClient(port: port).exchange("GET", "/").status == 200)
      #expect(server.stop(drainTimeout: .seconds(30)) == .drained)
    }
  }

  @Test func stopWaitsForLaterAnswers() throws {
    try withServer { server, handler, port in
      let client = try SocketClient(port: port)
      try client.send("GET", "/kept")
      let kept = handler.takeKept(count: 1)
      let ending = Stopping(server, drainTimeout: .seconds(60))
      while let late = try? SocketClient(port: port) { late.close() }
      kept[0].completion.finish(TestHandler.echo(kept[0].request))
      let response = try client.receive()
      #expect(response.status == 200)
      #expect(response.header("Connection") == "close")
      #expect(ending.wait() == .drained)
    }
  }

  /// What holds the completion may still use the request: the connection waits for it, `stop` not.
  @Test func stopGivesUpOnLaterAnswers() throws {
    try withServer { server, handler, port in
      let answered = try SocketClient(port: port)
      try answered.send("GET", "/kept?q=1")
      var kept = handler.takeKept(count: 1)
      let dropped = try SocketClient(port: port)
      try dropped.send("GET", "/kept")
      kept += handler.takeKept(count: 1)
      #expect(server.stop(drainTimeout: .milliseconds(50)) == .abandoned(requests: 2))
      kept[0].completion.finish(TestHandler.echo(kept[0].request))
      #expect(try answered.receive().text.contains("q=1"))
      kept = []
      #expect(try dropped.receive().status == 500)
    }
  }
}
