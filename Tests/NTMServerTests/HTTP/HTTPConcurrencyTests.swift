import Testing

@testable import NTMServer

/// The transport with many producers and clients at once; run under the thread sanitizer too.
@Suite(.serialized) struct HTTPConcurrencyTests {
  @Test func manyStreamsAreWrittenByManyThreads() throws {
    let (count, writers, rounds) = (200, 4, 25)
    try withServer { server, handler, port in
      let clients = try (0..<count).map { _ in try SocketClient(port: port) }
      for client in clients { try client.send("GET", "/stream") }
      let streams = try handler.takeStreams(count)
      // Each writer writes to every stream, so that they meet.
      let taken = try onThreads(writers) { writer in
        (0..<rounds).allSatisfy { round in
          streams.allSatisfy { stream in
            let line = Array("\(writer) \(round)\n".utf8)
            return round.isMultiple(of: 2) ? stream.write(line) : stream.offer(line) == .taken
          }
        }
      }
      #expect(taken == Array(repeating: true, count: writers))
      for stream in streams { stream.finish() }
      for client in clients {
        let lines = try client.receive().text.split(separator: "\n")
        for writer in 0..<writers {
          let mine = lines.filter { $0.hasPrefix("\(writer) ") }
          #expect(mine == (0..<rounds).map { "\(writer) \($0)" })
        }
        #expect(try client.exchange("GET", "/").status == 200)
      }
    }
  }

  /// Writers wait, clients read, leave, or are slow, and the server stops in the middle.
  @Test(arguments: 0..<5) func stoppingWhileStreamsAreWritten(_ round: Int) throws {
    try withServer { server, handler, port in
      let clients = try (0..<24).map { _ in try SocketClient(port: port) }
      for client in clients { try client.send("GET", "/stream") }
      let streams = try handler.takeStreams(clients.count)
      let ended = Monitor(0)
      for (number, stream) in streams.enumerated() {
        stream.onClose { ended.withLock { $0 += 1 } }
        try SystemThread {
          let block = [UInt8](repeating: 7, count: 1000 + number)
          while true {
            if number.isMultiple(of: 3) {
              guard stream.offer(block) != .closed else { break }
              pause(milliseconds: 1)
            } else {
              guard stream.write(block) else { break }
            }
          }
          ended.withLock { $0 += 1 }
          ended.broadcast()
        }.detach()
      }
      for client in clients.prefix(8) { _ = try client.receiveHead() }
      for client in clients.prefix(4) { client.close() }
      pause(milliseconds: round * 5)
      guard case .abandoned = server.stop(drainTimeout: .milliseconds(round * 10)) else {
        Issue.record("streams that don't end were drained")
        return
      }
      let all = ended.wait(until: testDeadline()) { $0 == 2 * streams.count ? true : nil }
      #expect(all == true)
    }
  }

  /// Streams end while their clients leave: each ending finds the other's.
  @Test func endsFromBothSidesMeet() throws {
    try withServer { server, handler, port in
      for round in 0..<10 {
        let clients = try (0..<20).map { _ in try SocketClient(port: port) }
        for client in clients { try client.send("GET", "/stream") }
        let streams = try handler.takeStreams(clients.count)
        let halves = try onThreads(3) { thread in
          for (number, stream) in streams.enumerated() {
            _ = stream.offer([1, 2, 3])
            stream.onClose {}
            if thread == number % 3 { round.isMultiple(of: 2) ? stream.finish() : stream.abort() }
          }
          return true
        }
        #expect(halves.count == 3)
        for client in clients { client.reset() }
      }
      #expect(server.stop(drainTimeout: .seconds(30)) == .drained)
    }
  }

  @Test func laterAnswersComeFromManyThreads() throws {
    let (clients, requests) = (32, 20)
    try withServer { _, handler, port in
      let done = Monitor(0)
      for _ in 0..<4 {
        try SystemThread {
          while done.withLock({ $0 < clients }) {
            let next = handler.kept.withLock { $0.popLast() }
            guard let next else {
              pause(milliseconds: 1)
              continue
            }
            next.completion.finish(TestHandler.echo(next.request))
          }
        }.detach()
      }
      let answered = try onThreads(clients) { index in
        defer { done.withLock { $0 += 1 } }
        let client = try SocketClient(port: port)
        return try (0..<requests).allSatisfy { number in
          let body = Array("\(index) \(number)".utf8)
          return try client.exchange("POST", "/kept", body: body).body.suffix(body.count)
            == body[...]
        }
      }
      #expect(answered == Array(repeating: true, count: clients))
    }
  }
}
