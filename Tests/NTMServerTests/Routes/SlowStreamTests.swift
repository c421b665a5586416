import Testing

@testable import NTMServer

/// Streams that take long, because their client reads slowly, leaves, or has much to send.
@Suite struct SlowStreamTests {
  private static let count = 20_000
  private static let inputs = ServedModel.copy.inputs(count)
  private static let body = Array(inputs.map { $0.json + "\n" }.joined().utf8)
  /// So many bytes of results that neither the sockets nor the server hold them.
  private static let path = "step?return=output,read_weightings,write_weightings,memory"

  /// A client that has sent all and reads nothing.
  private static func begin(_ session: String, port: Int) throws -> SocketClient {
    let client = try SocketClient(port: port)
    try client.send(
      "POST", "/sessions/\(session)/\(path)", headers: [("Content-Type", "application/x-ndjson")],
      body: body)
    return client
  }

  private static func step(_ session: String, _ client: SocketClient) throws -> Int {
    try #require(client.exchange("GET", "/sessions/\(session)").object()["step"] as? Int)
  }

  /// Waits until a stream does not go on, because nobody reads it.
  private static func standstill(_ session: String, _ client: SocketClient) throws -> Int {
    let deadline = testDeadline()
    var (step, unchanged) = (0, 0)
    while unchanged < 20, monotonicNanoseconds() < deadline {
      pause(milliseconds: 10)
      let now = try Self.step(session, client)
      unchanged = now > 0 && now == step ? unchanged + 1 : 0
      step = now
    }
    return step
  }

  @Test func aStreamWaitsForItsClient() async throws {
    try await withLiveService { port in
      let other = try SocketClient(port: port)
      let session = try other.makeSession()
      let before = peakMemory()
      let reader = try Self.begin(session, port: port)
      let step = try Self.standstill(session, other)
      #expect((1..<Self.count / 2).contains(step))
      // The whole of the results has over 500 MB.
      #expect(peakMemory() - before < 100 << 20)
      // Whoever looks gets in between.
      let memory = try other.exchange("GET", "/sessions/\(session)/memory").object()
      #expect(memory["step"] as? Int == step)
      #expect(try other.exchange("GET", "/sessions/\(session)/state").status == 200)
      let fork = try other.post("/sessions/\(session)/fork")
      #expect(try fork.object()["step"] as? Int == step)
      // Another's step comes after the stream; the client that leaves ends the stream.
      try other.send(
        "POST", "/sessions/\(session)/step", body: Array(String.step(Self.inputs[0]).utf8))
      let third = try SocketClient(port: port)
      #expect(try Self.standstill(session, third) == step)
      reader.close()
      let result: StepResult = try other.receive().decoded()
      #expect(result.step >= step + 1)
      #expect(result.step < Self.count / 2)
      // What was applied is what the session says.
      #expect(try Self.step(session, other) == result.step)
      let direct = try DirectSession(.copy)
      for input in Self.inputs.prefix(result.step - 1) { _ = try direct.step(input) }
      #expect(try direct.step(Self.inputs[0]).with(.all, session: session) == result)
    }
  }

  @Test func deletingTheSessionEndsItsStream() async throws {
    try await withLiveService { port in
      let other = try SocketClient(port: port)
      let session = try other.makeSession()
      let reader = try Self.begin(session, port: port)
      let step = try Self.standstill(session, other)
      #expect(try other.exchange("DELETE", "/sessions/\(session)").status == 204)
      let lines = try reader.receive().text.split(separator: "\n")
      let last = try #require(lines.last)
      let problem = try Response(status: 200, headers: [], body: Array(last.utf8)).object()
      #expect(problem["status"] as? Int == 404)
      #expect(problem["reason"] as? String == "deleted")
      #expect(problem["applied"] as? Int == step)
      #expect(lines.count == step + 1)
    }
  }

  /// Two workers, and many requests that wait for a session whose stream does not go on.
  @Test func whoWaitsForASessionTakesNoWorkerFromOthers() async throws {
    try await withLiveService { port in
      let client = try SocketClient(port: port)
      let session = try client.makeSession()
      let reader = try Self.begin(session, port: port)
      let step = try Self.standstill(session, client)
      let waiting = try (0..<20).map { _ in try SocketClient(port: port) }
      for (number, client) in waiting.enumerated() {
        try client.send(
          "POST", number.isMultiple(of: 2) ? "/sessions/\(session)/step" : "/step",
          body: Array(
            (number.isMultiple(of: 2)
              ? #"{"return":[],"input":\#(Self.inputs[0].json)}"#
              : #"{"return":[],"steps":[{"session":"\#(session)","input":\#(Self.inputs[0].json)}]}"#)
              .utf8))
      }
      // This needs a worker.
      let other = try client.makeSession()
      #expect(try client.exchange("GET", "/sessions/\(other)/state").status == 200)
      let many = try client.post(
        "/step", #"{"return":[],"steps":[{"session":"\#(other)","input":\#(Self.inputs[0].json)}]}"#
      )
      #expect(many.text == #"{"steps":[{"session":"\#(other)","step":1}]}"#)
      #expect(try Self.standstill(session, client) == step)
      reader.close()
      let replies = try waiting.map { try $0.receive() }
      #expect(replies.allSatisfy { $0.status == 200 })
      // All were taken, each once.
      let last = try Self.step(session, client)
      let steps = try replies.map { reply in
        try #require(reply.text.firstMatch(of: /"step":(\d+)/).flatMap { Int($0.1) })
      }
      #expect(steps.sorted() == Array(last - 19...last))
    }
  }

  @Test func onlySoManyWaitForASession() async throws {
    let options = ServiceOptions.testing { $0.http.maxConnections = 1000 }
    try await withLiveService(.copy, options) { port in
      let client = try SocketClient(port: port)
      let session = try client.makeSession()
      let reader = try Self.begin(session, port: port)
      _ = try Self.standstill(session, client)
      let waiting = try (0...Turns.limit).map { _ in
        let client = try SocketClient(port: port)
        try client.send("POST", "/sessions/\(session)/reset")
        return client
      }
      // One of them came too late; which one is open, as there are two loops.
      let refused = Monitor<[Int]>([])
      for (index, client) in waiting.enumerated() {
        let box = UncheckedBox(client)
        try SystemThread {
          guard let reply = try? box.value.receive() else { return }
          refused.withLock { $0.append(reply.status == 503 ? index : -1) }
          refused.broadcast()
        }.detach()
      }
      let first = refused.wait(until: testDeadline()) { $0.first }
      #expect(first.map { $0 >= 0 } == true)
      #expect(refused.withLock { $0.count } == 1)
      reader.close()
      let all = refused.wait(until: testDeadline()) { $0.count == waiting.count ? $0 : nil }
      #expect(all?.filter { $0 >= 0 }.count == 1)
    }
  }
}

/// `@unchecked Sendable`: handed to one other thread, which is the only one to use it.
private struct UncheckedBox<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}
