import Testing

@testable import NTMServer

/// Streaming replies to clients that are slow or leave, and while the server stops.
extension HTTPServerTests {
  // MARK: Slow clients

  @Test func aSlowClientIsOfferedNoMoreThanHasRoom() throws {
    try withServer { _, handler, port in
      let client = try SocketClient(port: port)
      try client.send("GET", "/stream")
      let stream = try handler.takeStreams()[0]
      var offered = 0
      // The loop moves bytes into the socket, which is full too at some time.
      var refusals = 0
      while refusals < 50, offered < 64 << 20 {
        let block = [UInt8](repeating: UInt8(offered / 10_000 % 251), count: 10_000)
        switch stream.offer(block) {
        case .taken: (offered, refusals) = (offered + block.count, 0)
        case .full:
          refusals += 1
          pause(milliseconds: 2)
        case .closed: Issue.record("closed after \(offered)")
        }
      }
      #expect(offered < 64 << 20)
      stream.finish()
      let body = try client.receive().body
      #expect(body.count == offered)
      for start in stride(from: 0, to: offered, by: 10_000) {
        let block = [UInt8](repeating: UInt8(start / 10_000 % 251), count: 10_000)
        #expect(areEqual(Array(body[start..<start + 10_000]), block))
      }
      #expect(handler.completed(count: 1)[0].responseBytes == offered)
    }
  }

  @Test func writesWaitForASlowClient() throws {
    try withServer { _, handler, port in
      let client = try SocketClient(port: port)
      try client.send("GET", "/stream")
      let stream = try handler.takeStreams()[0]
      let blocks = 3000
      let results = Monitor<[Bool]?>(nil)
      try SystemThread {
        let block = [UInt8](repeating: 7, count: 10_000)
        let taken = (0..<blocks).map { _ in stream.write(block) }
        stream.finish()
        results.withLock { $0 = taken }
        results.broadcast()
      }.detach()
      pause(milliseconds: 100)
      // More than all buffers together hold.
      #expect(results.withLock { $0 == nil })
      #expect(try client.receive().body.count == blocks * 10_000)
      #expect(results.wait(until: testDeadline()) { $0 } == Array(repeating: true, count: blocks))
    }
  }

  #if os(Linux)
    /// In a process of its own, whose memory is its own too.
    @Test func aLongStreamTakesLittleMemory() async {
      await #expect(processExitsWith: .success) {
        try withServer { _, handler, port in
          let client = try SocketClient(port: port)
          try client.send("GET", "/stream")
          let stream = try handler.takeStreams()[0]
          let (block, count) = ([UInt8](repeating: 7, count: 64 << 10), 3200)
          let before = peakMemory()
          try SystemThread {
            for _ in 0..<count where !stream.write(block) { return }
            stream.finish()
          }.detach()
          pause(milliseconds: 500)
          let received = try client.skip(.max, orTo: Array("\r\n0\r\n\r\n".utf8))
          try #require(received > count * block.count)
          let grown = peakMemory() - before
          try #require(grown < 32 << 20, "\(grown) bytes")
        }
      }
    }
  #endif

  // MARK: Clients that leave

  /// They are checked some at a time.
  @Test func manyClientsThatLeaveAreAllNoticed() throws {
    try withServer { _, handler, port in
      let clients = try (0..<300).map { _ in try SocketClient(port: port) }
      for client in clients { try client.send("GET", "/stream") }
      for client in clients { #expect(try client.receiveHead().status == 200) }
      let streams = try handler.takeStreams(clients.count)
      let gates = streams.map { stream in
        let gate = Gate()
        stream.onClose { gate.open() }
        return gate
      }
      for client in clients { client.close() }
      for gate in gates { gate.pass() }
      #expect(streams.allSatisfy { $0.isClosed })
    }
  }

  @Test(arguments: ["closed", "reset", "ended with bytes unread"])
  func aClientThatLeavesAnIdleStreamIsNoticed(_ how: String) throws {
    try withServer { _, handler, port in
      let clients = try (0..<10).map { _ in try SocketClient(port: port) }
      var streams: [HTTPBodyStream] = []
      for client in clients {
        try client.send("GET", "/stream")
        #expect(try client.receiveHead().status == 200)
        streams += try handler.takeStreams()
      }
      let staying = clients.count - 1
      let calls = Monitor(0)
      let left = (0..<staying).map { _ in Gate() }
      for (stream, gate) in zip(streams, left) {
        stream.onClose {
          calls.withLock { $0 += 1 }
          gate.open()
        }
      }
      for client in clients[..<staying] {
        switch how {
        case "closed": client.close()
        case "reset": client.reset()
        default:
          // A request that is never read must not hide the end behind it.
          try client.send("GET", "/")
          client.finishSending()
        }
      }
      for gate in left { gate.pass() }
      for stream in streams[..<staying] {
        #expect(stream.isClosed)
        #expect(!stream.write([1]))
        #expect(stream.offer([1]) == .closed)
        let late = Gate()
        stream.onClose { late.open() }
        late.pass()
      }
      #expect(calls.withLock { $0 } == staying)
      #expect(handler.completed(count: staying).count == staying)
      #expect(streams[staying].write([7]))
      #expect(try clients[staying].receiveChunks(1) == [7])
      streams[staying].finish()
    }
  }

  @Test(arguments: [false, true])
  func aClientThatLeavesWhileItIsSentToEndsTheWriting(byReset: Bool) throws {
    try withServer { _, handler, port in
      for _ in 0..<5 {
        let client = try SocketClient(port: port)
        try client.send("GET", "/stream")
        let stream = try handler.takeStreams()[0]
        let (left, ended) = (Gate(), Gate())
        stream.onClose { left.open() }
        try SystemThread {
          let block = [UInt8](repeating: 7, count: 30_000)
          while stream.write(block) { continue }
          ended.open()
        }.detach()
        _ = try client.receiveHead()
        _ = try client.receiveChunks(1_000_000)
        byReset ? client.reset() : client.close()
        ended.pass()
        left.pass()
      }
      #expect(try SocketClient(port: port).exchange("GET", "/").status == 200)
    }
  }

  // MARK: Stopping

  @Test func stopWaitsForAStreamToFinish() throws {
    try withServer { server, handler, port in
      let client = try SocketClient(port: port)
      try client.send("GET", "/stream")
      let stream = try handler.takeStreams()[0]
      _ = try client.receiveHead()
      let ending = Stopping(server, drainTimeout: .seconds(60))
      while let late = try? SocketClient(port: port) { late.close() }
      #expect(stream.write([7]))
      #expect(try client.receiveChunks(1) == [7])
      stream.finish()
      #expect(try client.receiveChunk() == nil)
      #expect(ending.wait() == .drained)
    }
  }

  @Test func stopBreaksStreamsOffAtItsTimeout() throws {
    try withServer { server, handler, port in
      // Idle ones, and one whose client doesn't read and whose writer waits.
      let idle = try (0..<20).map { _ in try SocketClient(port: port) }
      for client in idle { try client.send("GET", "/stream") }
      let streams = try handler.takeStreams(idle.count)
      let closed = streams.map { _ in Gate() }
      for (stream, gate) in zip(streams, closed) { stream.onClose { gate.open() } }
      let slow = try SocketClient(port: port)
      try slow.send("GET", "/stream")
      let blocked = try handler.takeStreams()[0]
      let ended = Gate()
      try SystemThread {
        while blocked.write([UInt8](repeating: 7, count: 30_000)) { continue }
        ended.open()
      }.detach()

      let ending = server.stop(drainTimeout: .milliseconds(100))
      #expect(ending == .abandoned(requests: idle.count + 1))
      for gate in closed { gate.pass() }
      ended.pass()
      for stream in streams { #expect(stream.isClosed) }
      for client in idle {
        #expect(try client.receiveHead().status == 200)
        #expect(throws: SocketClient.Failure.self) { try client.receiveChunk() }
      }
      // Handles that outlive the server are of no consequence.
      #expect(!blocked.write([1]))
      blocked.finish()
    }
  }

  /// Nothing is begun after the deadline, for which the loop waits as long as `kept` is there.
  @Test func aStreamThatComesAfterTheDeadlineIsRefused() throws {
    try withServer { server, handler, port in
      let client = try SocketClient(port: port)
      try client.send("GET", "/kept")
      let kept = handler.takeKept(count: 1)
      #expect(server.stop(drainTimeout: .zero) == .abandoned(requests: 1))
      kept[0].completion.finish(
        HTTPStreamReply(status: 200) { _ in Issue.record("a stream was begun") })
      #expect(try client.receive().status == 503)
    }
  }
}
